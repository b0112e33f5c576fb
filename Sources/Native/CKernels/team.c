// Fork and join without a system call while the team is warm.
//
// A run publishes a new generation; workers spin on it for SPIN_NANOSECONDS after their last work (yielding the core now
// and then, for the server shares it) and then park on a condition variable, so that an idle team costs no CPU. The
// caller works too and waits for the stragglers. Pieces are handed out dynamically: on shared cores a static half for
// each thread would wait for whichever the server interrupts.
#include "team.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>

enum { SPIN_NANOSECONDS = 50000, PAUSES_PER_YIELD = 64 };

struct nb_team {
    _Alignas(64) _Atomic uint64_t generation;
    _Alignas(64) _Atomic int pending;
    _Alignas(64) _Atomic int parked;
    _Atomic int stop;
    void (*body)(void *, int, int);
    void *context;
    int width;
    pthread_mutex_t callers;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    pthread_t *threads;
    int started;
};

typedef struct {
    nb_team *team;
    int index;
} worker_argument;

static inline void pause_briefly(void) {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

static uint64_t now_nanoseconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static uint64_t wait_for_generation(nb_team *team, uint64_t seen) {
    uint64_t generation, start = 0;
    for (;;) {
        for (int i = 0; i < PAUSES_PER_YIELD; i++) {
            if ((generation = atomic_load(&team->generation)) != seen) return generation;
            pause_briefly();
        }
        uint64_t now = now_nanoseconds();
        if (start == 0) start = now;
        if (now - start > SPIN_NANOSECONDS) break;
        sched_yield();
    }
    pthread_mutex_lock(&team->lock);
    // Sequentially consistent: either this load sees the caller's new generation, or the caller's load of `parked` sees us.
    atomic_fetch_add(&team->parked, 1);
    while ((generation = atomic_load(&team->generation)) == seen) pthread_cond_wait(&team->wake, &team->lock);
    atomic_fetch_sub(&team->parked, 1);
    pthread_mutex_unlock(&team->lock);
    return generation;
}

static void *work(void *argument) {
    nb_team *team = ((worker_argument *)argument)->team;
    int index = ((worker_argument *)argument)->index;
    free(argument);
    uint64_t seen = 0;
    for (;;) {
        seen = wait_for_generation(team, seen);
        if (atomic_load(&team->stop)) return NULL;
        team->body(team->context, index, team->width);
        atomic_fetch_sub_explicit(&team->pending, 1, memory_order_release);
    }
}

static void publish(nb_team *team) {
    atomic_fetch_add(&team->generation, 1);
    if (atomic_load(&team->parked) > 0) {
        pthread_mutex_lock(&team->lock);
        pthread_cond_broadcast(&team->wake);
        pthread_mutex_unlock(&team->lock);
    }
}

nb_team *nb_team_create(int width) {
    if (width < 1 || width > 1024) return NULL;
    nb_team *team = aligned_alloc(64, (sizeof(nb_team) + 63) / 64 * 64);
    if (!team) return NULL;
    *team = (nb_team){.width = width};
    pthread_mutex_init(&team->callers, NULL);
    pthread_mutex_init(&team->lock, NULL);
    pthread_cond_init(&team->wake, NULL);
    if (width == 1) return team;
    team->threads = calloc((size_t)width - 1, sizeof(pthread_t));
    for (int i = 1; team->threads && i < width; i++) {
        worker_argument *argument = malloc(sizeof *argument);
        if (!argument) break;
        *argument = (worker_argument){team, i};
        if (pthread_create(&team->threads[i - 1], NULL, work, argument) != 0) {
            free(argument);
            break;
        }
        team->started++;
    }
    if (team->started == width - 1) return team;
    nb_team_destroy(team);
    return NULL;
}

void nb_team_destroy(nb_team *team) {
    if (!team) return;
    atomic_store(&team->stop, 1);
    publish(team);
    for (int i = 0; i < team->started; i++) pthread_join(team->threads[i], NULL);
    free(team->threads);
    pthread_mutex_destroy(&team->callers);
    pthread_mutex_destroy(&team->lock);
    pthread_cond_destroy(&team->wake);
    free(team);
}

int nb_team_width(const nb_team *team) { return team ? team->width : 1; }

void nb_team_run(nb_team *team, void (*body)(void *, int, int), void *context) {
    if (!team || team->width == 1) {
        body(context, 0, 1);
        return;
    }
    pthread_mutex_lock(&team->callers);
    team->body = body;
    team->context = context;
    atomic_store_explicit(&team->pending, team->width - 1, memory_order_relaxed);
    publish(team);
    body(context, 0, team->width);
    for (int spins = 0; atomic_load_explicit(&team->pending, memory_order_acquire) > 0; spins++) {
        if (spins % PAUSES_PER_YIELD == PAUSES_PER_YIELD - 1) sched_yield();
        else pause_briefly();
    }
    pthread_mutex_unlock(&team->callers);
}

typedef struct {
    _Atomic size_t next;
    size_t count, grain;
    void (*body)(void *, size_t, size_t);
    void *context;
} ranges;

static void run_ranges(void *argument, int index, int width) {
    (void)index, (void)width;
    ranges *work = argument;
    for (;;) {
        size_t begin = atomic_fetch_add_explicit(&work->next, work->grain, memory_order_relaxed);
        if (begin >= work->count) return;
        size_t end = work->count - begin > work->grain ? begin + work->grain : work->count;
        work->body(work->context, begin, end);
    }
}

void nb_team_ranges(nb_team *team, size_t count, size_t grain, void (*body)(void *, size_t, size_t), void *context) {
    if (count == 0) return;
    if (grain == 0) grain = 1;
    if (!team || team->width == 1 || count <= grain) {
        for (size_t begin = 0; begin < count; begin += grain)
            body(context, begin, count - begin > grain ? begin + grain : count);
        return;
    }
    ranges work = {.count = count, .grain = grain, .body = body, .context = context};
    nb_team_run(team, run_ranges, &work);
}
