/* rmfer synth: drawn faces in every layout, or an RMset made of a labelled set's faces. */
#include "rmfer/base/log.h"
#include "rmfer/cmd/commands.h"
#include "rmfer/cmd/options.h"
#include "rmfer/data/video_writer.h"
#include "rmfer/synth/synth.h"

#include <stdio.h>

struct synth_command {
    struct synth_options draw;
    struct synth_mashup_options mashup;
    int64_t videos; /* drawn mashups to encode, -1 = all where they can be */
    const char *from;
    struct option_list overrides;
};

/* Videos that nobody asked for are left out with a word where this build cannot encode any. What else goes wrong, a
 * full disk say, is an error. */
static status draw_videos(const struct synth_command *command, bool *drawn, struct error *err)
{
    bool asked = command->videos >= 0;
    int64_t count = asked ? command->videos : SYNTH_MOST_VIDEOS;
    struct error problem = {0};
    *drawn = false;
    if (count == 0) return STATUS_OK;
    if (!asked && video_writer_check(&problem) != STATUS_OK) {
        log_warning("no mashup videos: %s", problem.message);
        return STATUS_OK;
    }
    status result = synth_write_videos(&command->draw, count, err);
    *drawn = result == STATUS_OK;
    return result;
}

static status draw(const struct synth_command *command, struct error *err)
{
    bool has_videos;
    status result = synth_write(&command->draw, err);
    if (result == STATUS_OK) result = draw_videos(command, &has_videos, err);
    if (result != STATUS_OK) return result;
    text_print_name(command->draw.folder, stdout);
    printf(": affectnet, affectnet-later, rafdb, ferplus, ferplus-csv, folder, csv, rmset%s\n",
           has_videos ? ", mashups" : "");
    return STATUS_OK;
}

static status mash_up(struct synth_command *command, struct error *err)
{
    struct config config;
    struct synth_mashup_counts counts;
    status result = config_load(&config, command->from, command->overrides.items, command->overrides.count, err);
    command->mashup.source = &config;
    if (result == STATUS_OK) result = synth_mashup(&command->mashup, &counts, err);
    if (result == STATUS_OK) {
        text_print_name(command->mashup.folder, stdout);
        printf(": %lld faces of %lld pictures in %lld videos; %.1f %% show their moment's expression\n",
               (long long)counts.rows, (long long)counts.sources, (long long)counts.videos, 100 * counts.agreeing);
    }
    config_free(&config);
    return result;
}

static const struct option_forms forms[] = {
    {"faces", "drawn faces"}, {"size", "drawn faces"}, {"mashups", "drawn faces"}, {"persons", "--from"},
    {"moments", "--from"},    {"videos", "--from"},    {"agreement", "--from"},    {"set", "--from"},
};

static status run(struct synth_command *command, const struct command_line *line, struct error *err)
{
    if (line->positional.count != 1)
        return error_set_usage(err, "rmfer synth needs the folder to write, and nothing else");
    uint64_t seed = line->seed < 0 ? 0 : (uint64_t)line->seed;
    command->draw.folder = command->mashup.folder = line->positional.items[0];
    command->draw.seed = command->mashup.seed = seed;
    status result = options_check_form(line, forms, sizeof forms / sizeof forms[0],
                                       command->from != NULL ? "--from" : "drawn faces", err);
    if (result != STATUS_OK) return result;
    return command->from != NULL ? mash_up(command, err) : draw(command, err);
}

int command_synth(int argc, char **argv)
{
    struct synth_command command = {
        .draw = {.faces = 4000, .size = 64},
        .mashup = {.persons = 8, .moments = 25, .agreement = 0.8},
        .videos = -1,
    };
    const struct option options[] = {
        {"faces", OPTION_INTEGER, &command.draw.faces, "N", "training faces of the affectnet layout (4000)", 64, 1e6,
         0},
        {"size", OPTION_INTEGER, &command.draw.size, "N", "side of a face in pixels (64)", 32, 1024, 0},
        {"mashups", OPTION_INTEGER, &command.videos, "N", "drawn mashup videos to encode, 0 to 3 (3 with FFmpeg)", 0,
         SYNTH_MOST_VIDEOS, 0},
        {"from", OPTION_STRING, &command.from, "CONFIG",
         "make an RMset of the labelled set in CONFIG instead (its unlabelled rest with data.labelled)", 0, 0, 0},
        {"persons", OPTION_INTEGER, &command.mashup.persons, "P", "--from: persons of a video (8)", 2, 1000, 0},
        {"moments", OPTION_INTEGER, &command.mashup.moments, "T", "--from: moments of a video (25)", 2, 1e6, 0},
        {"videos", OPTION_INTEGER, &command.mashup.videos, "N",
         "--from: videos (default: each picture is used about once)", 0, 1e6, 0},
        {"agreement", OPTION_REAL, &command.mashup.agreement, "P",
         "--from: probability that a face shows its moment's expression (0.8)", 0, 1, 0},
        {"set", OPTION_REPEATED, &command.overrides, "SECTION.KEY=VALUE", "--from: change a key of CONFIG", 0, 0, 0},
    };
    struct command_line line = {
        .usage = "rmfer synth DIR [--faces N] [--size N] [--mashups N] | rmfer synth DIR --from CONFIG [--persons P] "
                 "[--moments T]",
        .description =
            "Draws small labelled faces, 8 expressions, in every layout that training reads, and a matching\n"
            "RMset in which several persons react to the same moments; and encodes mashup videos of such\n"
            "persons, with what is in them, for rmfer rmset build. With --from, writes to DIR an RMset made\n"
            "of the faces of a labelled set. Each drawn folder has a note, drawn.txt; one that holds files but no\n"
            "such note, a real data set's say, is never drawn over, nor one of more faces.",
        .options = options,
        .option_count = sizeof options / sizeof options[0],
    };
    struct error err = {0};
    status result = options_parse(&line, argc, argv, &err);
    if (result == STATUS_OK && !line.help_shown) result = run(&command, &line, &err);
    options_free(&line);
    return command_finish(result, &err);
}
