/* One list of named tensors out of whatever the first bytes say the file is. */
#include "rmfer/ckpt/weights.h"

#include "ckpt/torch_file.h"

#include <string.h>

static bool has_magic(const struct mapped_file *file, size_t offset, const char *magic, size_t length)
{
    return file->size >= offset + length && memcmp(file->bytes + offset, magic, length) == 0;
}

/* A length that fits, then JSON. */
static bool looks_like_safetensors(const struct mapped_file *file)
{
    uint64_t length;
    if (file->size < sizeof length + 1) return false;
    memcpy(&length, file->bytes, sizeof length);
    return file->bytes[sizeof length] == '{' && length >> 32 == 0;
}

/* ir_version is the first field that writers put into a model. */
static bool looks_like_onnx(const struct mapped_file *file)
{
    return file->size > 2 && file->bytes[0] == 0x08 && file->bytes[1] < 0x20;
}

static bool looks_like_page(const struct mapped_file *file)
{
    static const char *const beginnings[] = {"<!DOCTYPE", "<!doctype", "<html", "<HTML", "<?xml"};
    for (size_t i = 0; i < sizeof beginnings / sizeof beginnings[0]; i++)
        if (has_magic(file, 0, beginnings[i], strlen(beginnings[i]))) return true;
    return false;
}

/* Files that people try, and what would help; NULL for others. */
static const char *known_trouble(const struct mapped_file *file)
{
    static const char pointer[] = "version https://git-lfs";
    if (file->size == 0) return "an empty file";
    if (has_magic(file, 0, pointer, sizeof pointer - 1))
        return "a pointer of Git LFS, not the weights: 'git lfs pull' fetches them";
    if (looks_like_page(file)) return "a web page, not weights: download the file itself";
    if (has_magic(file, 0, "\x1f\x8b", 2)) return "compressed with gzip: gunzip it first";
    if (has_magic(file, 0, "\x89HDF", 4)) return "HDF5 (Keras) is not read; convert the model to ONNX";
    if (has_magic(file, 257, "ustar", 5))
        return "a tar archive: PyTorch's format before 2017 is not read; load and save it again";
    if (file->size > 1 && file->bytes[0] == 0x80 && file->bytes[1] <= 5)
        return "a plain pickle, not a file of torch.save; save the state dict with torch.save";
    return NULL;
}

static status refuse(const struct mapped_file *file, struct error *err)
{
    const char *trouble = known_trouble(file);
    return error_set(err, "%s", trouble != NULL ? trouble : "neither safetensors, a file of torch.save, nor ONNX");
}

bool weights_are_foreign(const struct mapped_file *file, const char **trouble)
{
    *trouble = NULL;
    if (torch_recognise(file->bytes, file->size)) return true;
    if (looks_like_safetensors(file)) return false;
    if (looks_like_onnx(file)) return true;
    *trouble = known_trouble(file);
    return *trouble != NULL;
}

static status read_torch(struct weight_set *set, struct mapped_file *mapping, struct error *err)
{
    status result = torch_parse(&set->torch, mapping->bytes, mapping->size, err);
    if (result != STATUS_OK) return result;
    struct torch_file *torch = set->torch;
    torch->mapping = *mapping;
    *mapping = (struct mapped_file){0};
    set->format = torch->is_zip ? WEIGHTS_TORCH_ZIP : WEIGHTS_TORCH_PLAIN;
    set->tensors = torch->tensors;
    set->count = torch->count;
    set->has_same_convolutions = torch->has_same_convolutions;
    set->bn_epsilon = torch->bn_epsilon;
    return STATUS_OK;
}

static status read_safetensors(struct weight_set *set, struct mapped_file *mapping, struct error *err)
{
    status result = safetensors_parse(&set->safetensors, mapping->bytes, mapping->size, "safetensors", err);
    if (result != STATUS_OK) return result;
    set->safetensors.file = *mapping;
    *mapping = (struct mapped_file){0};
    set->format = WEIGHTS_SAFETENSORS;
    set->tensors = set->safetensors.tensors;
    set->count = set->safetensors.count;
    return STATUS_OK;
}

static status read_onnx(struct weight_set *set, struct mapped_file *mapping, struct error *err)
{
    status result = onnx_parse(&set->onnx, mapping->bytes, mapping->size, "ONNX", err);
    if (result != STATUS_OK) return result;
    set->onnx.file = *mapping;
    *mapping = (struct mapped_file){0};
    set->format = WEIGHTS_ONNX;
    set->tensors = set->onnx.initializers;
    set->count = set->onnx.initializer_count;
    return STATUS_OK;
}

status weights_read(struct weight_set *set, const char *path, struct error *err)
{
    struct mapped_file mapping;
    *set = (struct weight_set){0};
    status result = file_load(&mapping, path, err);
    if (result != STATUS_OK) return result;
    if (torch_recognise(mapping.bytes, mapping.size))
        result = read_torch(set, &mapping, err);
    else if (looks_like_safetensors(&mapping))
        result = read_safetensors(set, &mapping, err);
    else if (looks_like_onnx(&mapping))
        result = read_onnx(set, &mapping, err);
    else
        result = refuse(&mapping, err);
    file_unmap(&mapping); /* empty when the reader keeps it */
    if (result != STATUS_OK) return error_add_context(err, "%s", path);
    return STATUS_OK;
}

void weights_free(struct weight_set *set)
{
    safetensors_close(&set->safetensors);
    torch_free(set->torch);
    onnx_close(&set->onnx);
    *set = (struct weight_set){0};
}

const char *weights_format_name(enum weight_format format)
{
    static const char *const names[] = {"safetensors", "PyTorch (zip)", "PyTorch (before zip)", "ONNX"};
    return names[format];
}
