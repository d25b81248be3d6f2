/* A plan's two runs, in an arena of its own. */
#include "rmfer/base/plan.h"

typedef status arena_maker(struct arena *arena, size_t size, const char *what, struct error *err);

static status place_in(arena_maker *make, struct arena *arena, plan_place *place, void *self, const char *what,
                       struct error *err)
{
    *arena = (struct arena){0};
    struct plan plan = {0};
    place(self, &plan);
    if (plan.used == 0) return STATUS_OK;
    status result = make(arena, plan.used, what, err);
    if (result != STATUS_OK) return result;
    plan = (struct plan){arena_take(arena, plan.used), 0};
    place(self, &plan);
    return STATUS_OK;
}

status plan_arena_init(struct arena *arena, plan_place *place, void *self, const char *what, struct error *err)
{
    return place_in(arena_init, arena, place, self, what, err);
}

status plan_arena_reserve(struct arena *arena, plan_place *place, void *self, const char *what, struct error *err)
{
    return place_in(arena_reserve, arena, place, self, what, err);
}
