/* rmfer rmset preview DIR --anchor: the sheet of an anchor and its candidates, and the numbers on standard output. */
#include "cmd/rmset_attention.h"

#include "rmfer/base/json_writer.h"
#include "rmfer/base/memory.h"

#include <inttypes.h>
#include <stdio.h>

static const char *kind_of(const struct rmset_attention *attention, size_t candidate)
{
    return candidate < attention->positives ? "P" : "N";
}

/* ---- as a table -------------------------------------------------------------------------------------------------- */

static status append_table(const struct rmset_attention *attention, struct text *out, struct error *err)
{
    size_t count = attention->positives + attention->negatives;
    status result = text_append_format(out, err, "anchor %s frame %" PRIu32 " face %" PRIu32 "  %s\n",
                                       text_string(&attention->video), attention->faces[0].who.frame,
                                       attention->faces[0].who.person, text_string(&attention->faces[0].path));
    for (size_t i = 0; i < attention->view_count && result == STATUS_OK; i++)
        result = text_append_format(out, err, "checkpoint %zu: %s\n", i + 1, attention->views[i].checkpoint);
    if (result == STATUS_OK) result = text_append_format(out, err, "kind    frame  face");
    for (size_t i = 0; i < attention->view_count && result == STATUS_OK; i++)
        result = text_append_format(out, err, "  attention%zu  similarity%zu", i + 1, i + 1);
    for (size_t c = 0; c < count && result == STATUS_OK; c++) {
        const struct attention_face *face = &attention->faces[1 + c];
        result = text_append_format(out, err, "\n%s    %7" PRIu32 " %5" PRIu32, kind_of(attention, c), face->who.frame,
                                    face->who.person);
        for (size_t i = 0; i < attention->view_count && result == STATUS_OK; i++) {
            const struct attention_of *view = &attention->views[i];
            result = text_append_format(out, err, "   %8.6f%c   %11.6f", view->weights[c], view->kept[c] ? '*' : ' ',
                                        view->similarities[c]);
        }
    }
    if (result == STATUS_OK)
        result = text_append_format(out, err, "\n%s", attention->view_count > 0 ? "* kept by that checkpoint\n" : "");
    return result;
}

/* ---- as JSON ----------------------------------------------------------------------------------------------------- */

static void json_face(struct json_writer *json, const struct attention_face *face)
{
    json_integer_member(json, "frame", face->who.frame);
    json_integer_member(json, "face", face->who.person);
    json_string_member(json, "path", text_string(&face->path));
}

static void json_score(struct json_writer *json, const struct attention_of *view, size_t candidate)
{
    json_open(json, '{');
    json_real_member(json, "attention", view->weights[candidate]);
    json_real_member(json, "similarity", view->similarities[candidate]);
    json_integer_member(json, "kept", view->kept[candidate]);
    json_close(json, '}');
}

static status append_json(const struct rmset_attention *attention, struct text *out, struct error *err)
{
    struct json_writer json = json_writer(out, err);
    json_open(&json, '{');
    json_string_member(&json, "video", text_string(&attention->video));
    json_name(&json, "anchor");
    json_open(&json, '{');
    json_face(&json, &attention->faces[0]);
    json_close(&json, '}');
    json_integer_member(&json, "near", attention->near);
    json_integer_member(&json, "far", attention->far);
    json_name(&json, "checkpoints");
    json_open(&json, '[');
    for (size_t i = 0; i < attention->view_count; i++) json_string(&json, attention->views[i].checkpoint);
    json_close(&json, ']');
    json_name(&json, "candidates");
    json_open(&json, '[');
    for (size_t c = 0; c < attention->positives + attention->negatives; c++) {
        json_open(&json, '{');
        json_string_member(&json, "kind", kind_of(attention, c));
        json_face(&json, &attention->faces[1 + c]);
        json_name(&json, "scores");
        json_open(&json, '[');
        for (size_t i = 0; i < attention->view_count; i++) json_score(&json, &attention->views[i], c);
        json_close(&json, ']');
        json_close(&json, '}');
    }
    json_close(&json, ']');
    json_close(&json, '}');
    return json.result == STATUS_OK ? text_append(out, "\n", 1, err) : json.result;
}

status rmset_attention_print(const struct rmset_attention *attention, bool json, struct error *err)
{
    struct text out = {0};
    status result = json ? append_json(attention, &out, err) : append_table(attention, &out, err);
    if (result == STATUS_OK && json) fputs(text_string(&out), stdout);
    if (result == STATUS_OK && !json) text_print_lines(&out, stdout);
    text_free(&out);
    return result;
}
