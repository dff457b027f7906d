/* See curl_int.h. */
#include "net/curl_int.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>

struct curl_functions curl;

static pthread_once_t loaded = PTHREAD_ONCE_INIT;
/* The handles of a thread: with them its open connections. */
static pthread_key_t handles[CURL_KINDS_];

static void drop_handle(void *c)
{
    curl.cleanup(c);
}

static bool find_symbols(void *lib)
{
    const struct {
        const char *name;
        void *to;
    } symbols[] = {{"curl_global_init", &curl.global_init}, {"curl_easy_init", &curl.easy_init},
                   {"curl_easy_setopt", &curl.setopt},      {"curl_easy_perform", &curl.perform},
                   {"curl_easy_reset", &curl.reset},        {"curl_easy_cleanup", &curl.cleanup},
                   {"curl_easy_strerror", &curl.text},      {"curl_slist_append", &curl.append},
                   {"curl_slist_free_all", &curl.free_all}, {"curl_easy_getinfo", &curl.getinfo}};
    for (size_t i = 0; i < sizeof(symbols) / sizeof(*symbols); i++) {
        void *p = dlsym(lib, symbols[i].name);
        if (!p)
            return false;
        memcpy(symbols[i].to, &p, sizeof(p));
    }
    return true;
}

static bool make_keys(void)
{
    for (size_t i = 0; i < CURL_KINDS_; i++)
        if (pthread_key_create(&handles[i], drop_handle))
            return false;
    return true;
}

static void load(void)
{
    void *lib = dlopen("libcurl.so.4", RTLD_NOW | RTLD_LOCAL);
    if (!lib || !find_symbols(lib) || curl.global_init(GLOBAL_ALL) != E_OK)
        snprintf(curl.missing, sizeof(curl.missing),
                 "requests to other servers need libcurl (apt-get install libcurl4): %.100s",
                 lib ? "this one cannot be used" : dlerror());
    else if (!make_keys())
        snprintf(curl.missing, sizeof(curl.missing), "no thread keys are left");
}

curl_t *curl_handle(enum curl_kind kind)
{
    curl_t *c = pthread_getspecific(handles[kind]);
    if (c) {
        curl.reset(c);
        return c;
    }
    c = curl.easy_init();
    if (c)
        pthread_setspecific(handles[kind], c);
    return c;
}

enum code curl_ready(struct ctx *cx)
{
    pthread_once(&loaded, load);
    return *curl.missing ? fail(cx, CODE_FAILED_PRECONDITION, "%s", curl.missing) : CODE_OK;
}

long curl_ms(int64_t ns)
{
    return (long)(ns / NS_PER_MS + (ns % NS_PER_MS != 0));
}
