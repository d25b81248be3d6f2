/* A weight average with a pass of its own. */
#include "method/momentum_teacher.h"

#include "rmfer/base/plan.h"
#include "rmfer/ops/stem.h"

static void place(void *self, struct plan *plan)
{
    struct momentum_teacher *teacher = self;
    teacher->images = plan_reals(plan, size_multiply(teacher->rows, teacher->image_reals));
    teacher->features = plan_reals(plan, teacher->rows * (size_t)teacher->model.architecture.features);
}

status momentum_teacher_init(struct momentum_teacher *teacher, struct model *student, size_t rows, int image_size,
                             struct error *err)
{
    *teacher = (struct momentum_teacher){.rows = rows,
                                         .image_reals = (size_t)image_size * (size_t)image_size * STEM_INPUT,
                                         .values = student->parameters.value_count,
                                         .buffers = student->parameters.buffer_count};
    status result = weight_average_init(&teacher->average, &student->parameters, err);
    if (result != STATUS_OK) return result;
    teacher->model = weight_average_view(&teacher->average, student);
    result = backbone_create(&teacher->backbone, &teacher->model, 1, image_size, err);
    if (result == STATUS_OK) result = backbone_check_rows(teacher->backbone, rows, err);
    if (result == STATUS_OK)
        result = backbone_pass_create(&teacher->pass, teacher->backbone, PASS_SCORES, (int)rows, err);
    return result == STATUS_OK ? plan_arena_init(&teacher->arena, place, teacher, "the teacher's rows", err) : result;
}

void momentum_teacher_free(struct momentum_teacher *teacher)
{
    backbone_pass_free(teacher->pass);
    backbone_free(teacher->backbone);
    weight_average_free(&teacher->average);
    arena_free(&teacher->arena);
    *teacher = (struct momentum_teacher){0};
}

real *momentum_teacher_image(struct momentum_teacher *teacher, size_t row)
{
    return teacher->images + row * teacher->image_reals;
}

const real *momentum_teacher_forward(struct momentum_teacher *teacher, const struct method_step *step)
{
    struct forward_options options = {.seed = step->seed, .draw = step->draw};
    if (!teacher->is_rounded) weight_average_round(&teacher->average, &teacher->model.parameters);
    teacher->is_rounded = true;
    backbone_forward(teacher->pass, &options, teacher->images, (int)teacher->rows, teacher->features);
    return teacher->features;
}

void momentum_teacher_update(struct momentum_teacher *teacher, const struct model *student, double decay)
{
    weight_average_update(&teacher->average, &student->parameters, decay);
}

size_t momentum_teacher_memories(struct momentum_teacher *teacher, struct method_memory *memories)
{
    memories[0] = (struct method_memory){
        "teacher_values", MEMORY_F64, 1, {teacher->values}, .data = teacher->average.values};
    memories[1] = (struct method_memory){
        "teacher_buffers", MEMORY_F64, 1, {teacher->buffers}, .data = teacher->average.buffers};
    return TEACHER_MEMORIES;
}

struct method_bytes momentum_teacher_bytes(const struct momentum_teacher *teacher)
{
    return (struct method_bytes){.scratch = teacher->average.arena.size + teacher->arena.size +
                                            backbone_bytes(teacher->backbone) + backbone_pass_map_bytes(teacher->pass) +
                                            backbone_pass_scratch_bytes(teacher->pass)};
}
