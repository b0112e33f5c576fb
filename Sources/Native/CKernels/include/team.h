// A fixed team of threads with cheap fork and join. See team.c.
#ifndef NESTBOX_TEAM_H
#define NESTBOX_TEAM_H

#include <stddef.h>

typedef struct nb_team nb_team;

/// A team of `width` threads, the caller's included; null when threads cannot be made. Width 1 makes none.
nb_team *nb_team_create(int width);

/// Ends the workers and frees the team. No run may be under way.
void nb_team_destroy(nb_team *team);

int nb_team_width(const nb_team *team);

/// Calls body(context, index, width) once on each thread (the caller is index 0) and returns when all have ended.
/// Callers from several threads take turns. A body must not run its own team.
void nb_team_run(nb_team *team, void (*body)(void *context, int index, int width), void *context);

/// Calls body(context, begin, end) for pieces of 0 ..< count of at most `grain`, each on whichever thread is free.
/// A null team, or a count of no more than one grain, runs on the caller alone.
void nb_team_ranges(nb_team *team, size_t count, size_t grain, void (*body)(void *context, size_t begin, size_t end),
                    void *context);

#endif
