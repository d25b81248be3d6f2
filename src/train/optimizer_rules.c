/* One loop an optimizer, as its paper or torch.optim writes it. */
#include "optimizer_rules.h"

#include <math.h>

static inline real square_root(real x)
{
    return sizeof(real) == sizeof(float) ? (real)sqrtf((float)x) : (real)sqrt((double)x);
}

void optimizer_update_sgd(const struct optimizer_update *u, real *restrict w, const real *restrict g)
{
    real scale = (real)u->gradient_scale, rate = (real)u->learning_rate, decay = (real)u->weight_decay;
    for (size_t i = 0; i < u->count; i++) w[i] -= rate * (scale * g[i] + decay * w[i]);
}

void optimizer_update_momentum(const struct optimizer_update *u, real *restrict w, const real *restrict g,
                               real *restrict m)
{
    real scale = (real)u->gradient_scale, rate = (real)u->learning_rate, decay = (real)u->weight_decay;
    real momentum = (real)u->momentum;
    real fresh = u->nesterov ? 1 : 0, kept = u->nesterov ? momentum : 1;
    for (size_t i = 0; i < u->count; i++) {
        real gradient = scale * g[i] + decay * w[i];
        m[i] = momentum * m[i] + gradient;
        w[i] -= rate * (fresh * gradient + kept * m[i]);
    }
}

/* Both Adams: `coupled` decay goes through the moments, `shrink` multiplies the weights. */
static inline void update_moments(const struct optimizer_update *u, real coupled, real shrink, real *restrict w,
                                  const real *restrict g, real *restrict m, real *restrict v)
{
    real scale = (real)u->gradient_scale, epsilon = (real)u->epsilon;
    real beta1 = (real)u->beta1, beta2 = (real)u->beta2, rest1 = (real)(1 - u->beta1), rest2 = (real)(1 - u->beta2);
    real rate = (real)(u->learning_rate / u->correction1), divisor = (real)(1 / sqrt(u->correction2));
    for (size_t i = 0; i < u->count; i++) {
        real gradient = scale * g[i] + coupled * w[i];
        m[i] = beta1 * m[i] + rest1 * gradient;
        v[i] = beta2 * v[i] + rest2 * (gradient * gradient);
        w[i] = shrink * w[i] - rate * (m[i] / (square_root(v[i]) * divisor + epsilon));
    }
}

void optimizer_update_adam(const struct optimizer_update *u, real *restrict w, const real *restrict g, real *restrict m,
                           real *restrict v)
{
    update_moments(u, (real)u->weight_decay, 1, w, g, m, v);
}

void optimizer_update_adamw(const struct optimizer_update *u, real *restrict w, const real *restrict g,
                            real *restrict m, real *restrict v)
{
    update_moments(u, 0, (real)(1 - u->learning_rate * u->weight_decay), w, g, m, v);
}

void optimizer_climb(size_t count, real scale, real *restrict w, const real *restrict g, real *restrict before)
{
    for (size_t i = 0; i < count; i++) {
        before[i] = w[i];
        w[i] += scale * g[i];
    }
}
