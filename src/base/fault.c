/* Fault points; see fault.h. Empty in a release. Any thread; the table is made once from the environment. */
#include "base/fault.h"

#ifdef TERN_FAULTS
#include "base/str.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#define FAULTS_MAX 32

enum action { ACTION_KILL, ACTION_STOP, ACTION_FAIL };

struct fault {
    str name, other; /* other: empty, or the point that begins the count */
    _Atomic bool counting;
    int64_t at;
    bool onwards;
    enum action action;
    _Atomic int64_t passed;
};

static struct fault faults[FAULTS_MAX];
static size_t faults_n;

static bool parse_action(str s, enum action *out)
{
    static const char *const names[] = {"kill", "stop", "fail"};
    for (size_t i = 0; i < 3; i++)
        if (str_eq(s, str_from(names[i]))) {
            *out = (enum action)i;
            return true;
        }
    return false;
}

/* name[@other] */
static bool parse_place(str s, struct fault *f)
{
    bool has_other = str_cut(s, '@', &f->name, &f->other);
    atomic_store(&f->counting, !has_other);
    return f->name.n > 0 && (!has_other || f->other.n > 0);
}

/* name[@other][:n[+]]=action */
static bool parse_one(str s, struct fault *f)
{
    str left, action, place, count;
    if (!str_cut(s, '=', &left, &action) || !parse_action(action, &f->action))
        return false;
    f->at = 1;
    if (!str_cut(left, ':', &place, &count))
        return parse_place(place, f);
    f->onwards = str_ends(count, STR("+"));
    return parse_place(place, f) && str_to_i64(str_head(count, count.n - f->onwards), &f->at) && f->at > 0;
}

/* A test that misspells its fault must not pass. */
static void parse_all(void)
{
    str rest = str_from(getenv("TERN_FAULT")), piece;
    while (rest.n && str_next(&rest, ',', &piece)) {
        if (faults_n == FAULTS_MAX || !parse_one(piece, &faults[faults_n])) {
            fprintf(stderr, "tern: TERN_FAULT: cannot use \"" STR_FMT "\"\n", STR_ARG(piece));
            abort();
        }
        faults_n++;
    }
}

static bool pass(struct fault *f)
{
    int64_t n = atomic_fetch_add(&f->passed, 1) + 1;
    if (n != f->at && !(f->onwards && n > f->at))
        return false;
    if (f->action == ACTION_FAIL)
        return true;
    raise(f->action == ACTION_KILL ? SIGKILL : SIGSTOP);
    return false;
}

bool fault_point(const char *name)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    bool failed = false;
    pthread_once(&once, parse_all);
    for (size_t i = 0; i < faults_n; i++) {
        if (faults[i].counting && str_eq(faults[i].name, str_from(name)))
            failed |= pass(&faults[i]);
        if (faults[i].other.n && str_eq(faults[i].other, str_from(name)))
            faults[i].counting = true;
    }
    return failed;
}
#endif
