/* Converts messages for the differential test (test/pb/test_oracle.py). Reads requests from stdin, writes answers to
 * stdout, both framed: request = op byte, u32 type name length, name, u32 size, bytes; answer = status byte (enum
 * code), u32 size, bytes (the result, or the error's text). Sizes are little-endian. ops: 'b' binary to binary, 'j'
 * binary to JSON, 'p' JSON to binary, 'i' the same ignoring unknown fields, 'c' binary to binary through pb_clone, 'v'
 * validate a binary message, 't' pairs of path and text, each behind its u32 size, to binary. */
#include "base/ctx.h"
#include "pb/pb.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define INPUT_MAX (64u << 20)

static bool read_all(void *p, size_t n)
{
    return fread(p, 1, n, stdin) == n;
}

/* A heap block of exactly n bytes, so that a sanitizer sees every read past the end. */
static str read_block(void)
{
    uint32_t n;
    if (!read_all(&n, 4) || n > INPUT_MAX)
        exit(3);
    char *p = malloc(n ? n : 1);
    if (!p || !read_all(p, n))
        exit(3);
    return (str){p, n};
}

static void answer(enum code code, str data)
{
    uint8_t status = (uint8_t)code;
    uint32_t n = (uint32_t)data.n;
    fwrite(&status, 1, 1, stdout);
    fwrite(&n, 4, 1, stdout);
    if (n)
        fwrite(data.p, 1, n, stdout);
    fflush(stdout);
}

static str take_block(str *rest)
{
    uint32_t n;
    if (rest->n < 4)
        exit(3);
    memcpy(&n, rest->p, 4);
    str got = str_head(str_skip(*rest, 4), n);
    *rest = str_skip(*rest, 4 + (size_t)n);
    return got;
}

static enum code from_texts(struct ctx *cx, const struct pb_type *type, str in, str *out)
{
    struct pb_text text = {.type = type, .msg = pb_type_new(cx->mem, type)};
    while (in.n) {
        str path = take_block(&in);
        TRY(pb_text_set(cx, &text, path, take_block(&in)));
    }
    return pb_encode(cx, type, text.msg, out);
}

static enum code convert(struct ctx *cx, char op, const struct pb_type *type, str in, str *out)
{
    void *msg;
    if (op == 't')
        return from_texts(cx, type, in, out);
    if (op == 'p' || op == 'i')
        TRY(pb_json_decode(cx, type, in, op == 'i', &msg));
    else
        TRY(pb_decode(cx, type, in, &msg));
    if (op == 'v')
        return pb_validate(cx, type, msg);
    if (op == 'j')
        return pb_json_encode(cx, type, msg, out);
    if (op != 'c')
        return pb_encode(cx, type, msg, out);
    const void *copy = pb_clone(cx->mem, type, msg);
    if (!pb_equal(type, msg, copy))
        return fail(cx, CODE_INTERNAL, "the copy differs");
    return pb_encode(cx, type, copy, out);
}

int main(void)
{
    char op;
    while (read_all(&op, 1)) {
        str name = read_block(), in = read_block(), out = STR("");
        struct arena mem;
        struct ctx cx;
        arena_init(&mem, (size_t)256 << 20);
        ctx_init(&cx, &mem);
        const struct pb_type *type = pb_type_find(name);
        enum code code = type ? convert(&cx, op, type, in, &out) : fail(&cx, CODE_NOT_FOUND, "no such type");
        answer(code, code == CODE_OK ? out : str_from(cx.err.msg));
        arena_done(&mem);
        free((void *)(uintptr_t)name.p);
        free((void *)(uintptr_t)in.p);
    }
    return 0;
}
