/* One linear layer and its loss, there and back. */
#include "rmfer/method/affect_head.h"

#include "method/bind.h"
#include "rmfer/ops/concordance.h"

void affect_head_bind(struct affect_head *head, const struct model *model)
{
    *head = (struct affect_head){.exists = model->has_affect};
    if (head->exists) head->layer = bind_linear(model, model->affect);
}

void affect_head_place(struct affect_head *head, size_t rows, struct plan *plan)
{
    if (!head->exists) return;
    head->predicted = plan_reals(plan, rows * AFFECT_DIMENSIONS);
    head->dpredicted = plan_reals(plan, rows * AFFECT_DIMENSIONS);
    head->room = plan_reals(plan, size_multiply(rows, head->layer.input));
}

double affect_head_loss(const struct affect_head *head, const struct op_context *context, size_t n,
                        const real *features, const real *truth, double scale, real *dfeatures)
{
    BUG_UNLESS(head->exists);
    if (truth == NULL) return 0;
    linear_forward(context, &head->layer, n, features, head->predicted);
    double loss = concordance_loss(n, AFFECT_DIMENSIONS, head->predicted, truth, scale, head->dpredicted);
    linear_backward(&head->layer, n, features, head->dpredicted, head->room);
    for (size_t i = 0; i < n * head->layer.input; i++) dfeatures[i] += head->room[i];
    return loss;
}
