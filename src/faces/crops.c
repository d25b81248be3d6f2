/* Finding faces and cutting them out for a network. */
#include "rmfer/faces/crops.h"

#include "rmfer/base/memory.h"

status face_find(const struct detector *detector, const struct detector_options *detection,
                 struct face_picture *picture, struct face_worker *worker, struct error *err)
{
    picture->is_detected = true;
    return detector_find(detector, &worker->detector, &picture->input.image, detection, &picture->faces,
                         &picture->face_count, err);
}

static status find(const void *context, struct face_picture *picture, struct face_worker *worker, struct error *err)
{
    const struct face_crops *crops = context;
    if (crops->detector != NULL) return face_find(crops->detector, &crops->detection, picture, worker, err);
    picture->face_count = 1;
    return STATUS_OK;
}

static size_t face_bytes(const struct face_crops *crops)
{
    return (size_t)crops->side * (size_t)crops->side * 3;
}

static size_t cut_bytes(const void *context, const struct face_picture *picture)
{
    return picture->face_count * face_bytes(context);
}

static status cut(const void *context, struct face_picture *picture, struct face_worker *worker, struct error *err)
{
    const struct face_crops *crops = context;
    const struct image *image = &picture->input.image;
    size_t bytes = face_bytes(crops), kept = 0;
    picture->crops = memory_allocate(picture->face_count, bytes, "the faces", err);
    if (picture->crops == NULL) return STATUS_FAILED;
    if (!picture->is_detected)
        return image_resize_into(image, NULL, crops->crop.filter, crops->side, crops->side, picture->crops,
                                 &worker->crop.resize, err);
    for (size_t i = 0; i < picture->face_count; i++) {
        const struct face_shape *shape = &picture->faces[i].shape;
        if (!crop_face_exists(&shape->box, image->width, image->height)) continue;
        status result = crop_face(image, shape, &crops->crop, crops->side, picture->crops + kept * bytes, &worker->crop,
                                  err);
        if (result != STATUS_OK) return result;
        if (picture->ids != NULL) picture->ids[kept] = picture->ids[i];
        picture->faces[kept++] = picture->faces[i];
    }
    picture->face_count = kept;
    return STATUS_OK;
}

struct face_steps face_crops_steps(const struct face_crops *crops)
{
    return (struct face_steps){.context = crops, .find = find, .cut_bytes = cut_bytes, .cut = cut};
}
