/* One pass: its mixtures are made in place, its share of the labelled ones in front. */
#include "method/mixed_pass.h"

void mixed_pass_place(struct mixed_pass *mixed, size_t classes, struct plan *plan)
{
    mixed->targets = plan_reals(plan, mixed->batch * classes);
    mixed->order = plan_take(plan, mixed->batch, sizeof *mixed->order);
}

size_t mixed_pass_forward(struct mixed_pass *mixed, const struct mixup *mixup, struct one_pass *pass,
                          const struct method_step *step, size_t number)
{
    size_t labelled = mixup_interleave(mixed->batch, mixed->parts, number, mixed->order);
    one_pass_begin(pass);
    for (size_t i = 0; i < mixed->batch; i++)
        mixup_make(mixup, mixed->order[i], one_pass_extend(pass, 1), mixed->targets + i * pass->classes);
    if (number == 0)
        one_pass_forward(pass, step);
    else
        one_pass_forward_beside(pass, step, number);
    return labelled;
}

double mixed_pass_others_share(const struct mixed_pass *mixed, size_t labelled)
{
    return (double)(mixed->batch - labelled) / (double)(mixed->batch * (mixed->parts - 1));
}
