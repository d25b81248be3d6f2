/* The checksums in our own safetensors: two strings of the metadata, which other readers pass over.
 *
 *   rmfer.checksum   CRC-32C of the header, padding included, summed with this value as 00000000
 *   rmfer.checksums  CRC-32C of each tensor's bytes, in their order in the file, eight digits each
 *
 * The header begins with the first of them, so that it is found without trusting what may be damaged, and with a blank
 * where no JSON library writes one: a program that changes tensors and takes the metadata along may put this key first,
 * too. A header that begins otherwise was written by another program, and is not checked; one of the two alone is
 * damage. */
#ifndef RMFER_CKPT_SAFETENSORS_CHECKSUM_H
#define RMFER_CKPT_SAFETENSORS_CHECKSUM_H

#include "rmfer/base/crc32c.h"
#include "rmfer/ckpt/tensor.h"

#define CHECKSUM_HEADER       "rmfer.checksum"
#define CHECKSUM_TENSORS      "rmfer.checksums"
#define CHECKSUM_HEADER_BEGIN "{\"__metadata__\":{ \"" CHECKSUM_HEADER "\":\""

enum { CHECKSUM_DIGITS = 8 };

/* What a file says of itself. */
struct checked_file {
    const char *header, *sums; /* the values of the two, NULL where there is none */
    const char *text;          /* the header, [length] */
    size_t length;
    const struct tensor *tensors; /* [count], in their order in the file */
    size_t count;
};

/* Compares header and tensors with their sums. The error names the first tensor that does not agree. */
status safetensors_check_sums(const struct checked_file *file, struct error *err) MUST_CHECK;

#endif
