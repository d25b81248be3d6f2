/* The run folder's files: names, lock, log, lines of metrics. */
#define _GNU_SOURCE /* O_NOFOLLOW, flock */
#include "run_folder.h"

#include "rmfer/base/file.h"
#include "rmfer/base/file_write.h"
#include "rmfer/base/log.h"
#include "rmfer/base/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

status run_folder_init(struct run_folder *run, const char *folder, struct error *err)
{
    *run = (struct run_folder){0};
    status result = folder_create(folder, err);
    if (result != STATUS_OK) return result;
    const struct {
        char **path;
        const char *name;
    } files[] = {
        {&run->config, "config.ini"},
        {&run->metrics, "metrics.jsonl"},
        {&run->log, "log.txt"},
        {&run->lock, ".lock"},
        {&run->last, "last.safetensors"},
        {&run->previous, "previous.safetensors"},
        {&run->best_overall, "best_overall.safetensors"},
        {&run->best_average, "best_average.safetensors"},
    };
    run->folder = memory_copy_string(folder, err);
    bool complete = run->folder != NULL;
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        *files[i].path = path_join(folder, files[i].name, err);
        complete = complete && *files[i].path != NULL;
    }
    return complete ? STATUS_OK : STATUS_FAILED;
}

/* Or may become one. A device or a pipe keeps no lines. */
static bool is_file(const char *path)
{
    struct stat facts;
    return stat(path, &facts) != 0 || S_ISREG(facts.st_mode);
}

static bool has_bytes(const char *path)
{
    struct stat facts;
    return stat(path, &facts) == 0 && S_ISREG(facts.st_mode) && facts.st_size > 0;
}

struct run_files run_folder_look(const struct run_folder *run)
{
    return (struct run_files){.checkpoint = file_exists(run->last) || file_exists(run->previous),
                              .best = file_exists(run->best_overall) || file_exists(run->best_average),
                              .lines = has_bytes(run->metrics)};
}

void run_folder_free(struct run_folder *run)
{
    log_set_copy(NULL);
    if (run->log_stream != NULL) fclose(run->log_stream);
    if (run->early_log != NULL) fclose(run->early_log);
    if (run->metrics_stream != NULL) fclose(run->metrics_stream);
    if (run->lock_is_open) close(run->lock_descriptor);
    memory_free(run->folder);
    memory_free(run->lock);
    memory_free(run->config);
    memory_free(run->metrics);
    memory_free(run->log);
    memory_free(run->last);
    memory_free(run->previous);
    memory_free(run->best_overall);
    memory_free(run->best_average);
    *run = (struct run_folder){0};
}

status run_folder_lock(struct run_folder *run, struct error *err)
{
    run->lock_descriptor = open(run->lock, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0666);
    if (run->lock_descriptor < 0) return error_set_errno(err, "%s: cannot be written", run->lock);
    run->lock_is_open = true;
    if (flock(run->lock_descriptor, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK)
        return error_set(err, "%s: another process trains in this folder", run->folder);
    atomic_files_remove_stale(run->folder);
    run->early_log = tmpfile();
    log_set_copy(run->early_log);
    return STATUS_OK;
}

status run_folder_open_log(struct run_folder *run, struct error *err)
{
    run->log_stream = fopen(run->log, "ae");
    if (run->log_stream == NULL) return error_set_errno(err, "%s: cannot be written", run->log);
    log_set_copy(run->log_stream);
    if (run->early_log == NULL) return STATUS_OK;
    char piece[4096];
    size_t count;
    rewind(run->early_log);
    while ((count = fread(piece, 1, sizeof piece, run->early_log)) > 0) fwrite(piece, 1, count, run->log_stream);
    fclose(run->early_log);
    run->early_log = NULL;
    return fflush(run->log_stream) == 0 ? STATUS_OK : error_set_errno(err, "%s: cannot be written", run->log);
}

/* Reads to the end of a line; whether it ends, and whether it is an evaluation's. */
static bool read_line(FILE *stream, bool *is_evaluation)
{
    static const char member[] = "\"overall_accuracy\":";
    size_t matched = 0;
    int byte;
    *is_evaluation = false;
    while ((byte = getc(stream)) != EOF && byte != '\n') {
        if (byte != member[matched]) matched = 0; /* only the first byte of the name is a quote that begins it anew */
        if (byte == member[matched]) matched++;
        if (matched < sizeof member - 1) continue;
        *is_evaluation = true;
        matched = 0;
    }
    return byte == '\n';
}

/* The length of the part of metrics.jsonl that stays: whole lines of steps up to `step`, which stand in order. The
 * evaluation of that step itself, its last line, goes when it will be made again. */
static status kept_length(const char *path, uint64_t step, bool evaluated, long *length, struct error *err)
{
    *length = 0;
    FILE *stream = fopen(path, "re");
    if (stream == NULL) return STATUS_OK; /* the first start */
    unsigned long long line_step;
    bool is_evaluation;
    while (fscanf(stream, "{\"step\": %llu", &line_step) == 1 && line_step <= step) {
        if (!read_line(stream, &is_evaluation) || (is_evaluation && line_step == step && !evaluated)) break;
        *length = ftell(stream);
    }
    bool failed = ferror(stream) != 0 || *length < 0;
    fclose(stream);
    return failed ? error_set_errno(err, "%s: cannot be read", path) : STATUS_OK;
}

status run_folder_open_metrics(struct run_folder *run, uint64_t step, bool evaluated, struct error *err)
{
    long length = 0;
    bool keeps = is_file(run->metrics);
    if (keeps && kept_length(run->metrics, step, evaluated, &length, err) != STATUS_OK) return STATUS_FAILED;
    run->metrics_stream = fopen(run->metrics, "ae");
    if (run->metrics_stream == NULL || (keeps && ftruncate(fileno(run->metrics_stream), length) != 0))
        return error_set_errno(err, "%s: cannot be written", run->metrics);
    return STATUS_OK;
}

status run_folder_write_metrics(struct run_folder *run, const char *line, struct error *err)
{
    if (fprintf(run->metrics_stream, "%s\n", line) < 0 || fflush(run->metrics_stream) != 0)
        return error_set_errno(err, "%s: cannot be written", run->metrics);
    return STATUS_OK;
}

/* Where metrics.jsonl leads to something that keeps nothing, a device or a pipe, there is nothing to bring. */
status run_folder_sync_lines(const struct run_folder *run, struct error *err)
{
    if (run->log_stream != NULL) (void)fsync(fileno(run->log_stream));
    if (fsync(fileno(run->metrics_stream)) == 0 || errno == EINVAL) return STATUS_OK;
    return error_set_errno(err, "%s: cannot be written", run->metrics);
}

status run_folder_write_config(struct run_folder *run, const char *text, struct error *err)
{
    return atomic_file_write_text(run->config, text, err);
}
