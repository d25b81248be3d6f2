/* What the tests of `rmfer predict` look at: a small checkpoint with generated weights, the detector of white
 * squares, pictures and a video with such squares. */
#ifndef TESTS_SUPPORT_PREDICT_CASE_H
#define TESTS_SUPPORT_PREDICT_CASE_H

/* Writes into `folder`:
 *   tiny.safetensors   64 x 64 input, the eight expressions
 *   squares.onnx       finds white squares (detector_case.h)
 *   two.png            160 x 120 with squares at 64,32 (on something darker) and 120,80
 *   mirrored.png       two.png, left for right
 *   none.png           black
 *   large.png          1200 x 1000, black
 *   noise.jpg          shapes
 *   turned.jpg         120 x 160 pixels, to be turned by 90 degrees; upright it has a square at 64,32
 *   cut.jpg, empty.jpg, text.jpg, picture.gif, bomb.png (100,000 x 100,000 pixels in its header)
 *   clip.avi           10 frames, 4 a second, a square at 16 + 8 i, 40 in frame i; cut.avi: its first bytes
 *   tree/              b.png, a/z.png, a/y.jpg, .hidden.png, notes.txt, old.bmp, link -> tree */
void predict_case_write(const char *folder);

/* cmocka's set-up and tear-down of a group that reads such a folder, and where it is in between. */
int predict_case_begin(void **state);
int predict_case_end(void **state);
const char *predict_case_folder(void);

#endif
