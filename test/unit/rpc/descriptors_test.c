/* The index of the IDL's descriptors, against what the generated tables know. */
#include "rpc/descriptors.c"

#include "unit.h"

#include "pb/table.h"

static void every_type_and_method_is_found(void **state)
{
    const struct descriptors *d = descriptors_idl();
    (void)state;
    assert_non_null(d);
    for (size_t i = 0; i < pb_registry_main.type_count; i++) {
        const struct pb_type *t = pb_registry_main.types[i];
        if (!t->is_entry && !str_starts(pb_type_name(t), STR("buf.validate.")))
            assert_int_not_equal(find_symbol(d, pb_type_name(t)), DESCRIPTORS_NONE);
    }
    for (size_t i = 0; i < pb_method_count; i++) {
        char name[256];
        snprintf(name, sizeof(name), "%s.%s", pb_methods[i].service, pb_methods[i].name);
        int file = find_symbol(d, str_from(name));
        assert_int_not_equal(file, DESCRIPTORS_NONE);
        assert_int_equal(file, find_symbol(d, str_from(pb_methods[i].service)));
    }
}

static void symbols_lead_to_their_file(void **state)
{
    const struct descriptors *d = descriptors_idl();
    (void)state;
    int file = descriptors_file(d, STR("flyteidl2/common/identifier.proto"));
    assert_int_not_equal(file, DESCRIPTORS_NONE);
    assert_int_equal(descriptors_symbol(d, STR("flyteidl2.common.RunIdentifier")), file);
    assert_int_equal(descriptors_symbol(d, STR("flyteidl2.common.RunIdentifier.name")), file);
    assert_int_equal(descriptors_symbol(d, STR("flyteidl2.common.NoSuch")), DESCRIPTORS_NONE);
    assert_int_equal(descriptors_symbol(d, STR("")), DESCRIPTORS_NONE);
    assert_int_equal(descriptors_file(d, STR("no/such.proto")), DESCRIPTORS_NONE);
}

static void count(void *arg, int32_t number)
{
    int *n = arg;
    *n += number > 0;
}

static void extensions_are_listed(void **state)
{
    const struct descriptors *d = descriptors_idl();
    int n = 0;
    (void)state;
    int http = descriptors_extension(d, STR("google.protobuf.MethodOptions"), 72295728);
    assert_int_equal(http, descriptors_file(d, STR("google/api/annotations.proto")));
    assert_int_equal(descriptors_extension(d, STR("google.protobuf.MethodOptions"), 1), DESCRIPTORS_NONE);
    descriptors_extensions(d, STR("google.protobuf.MethodOptions"), count, &n);
    assert_true(n >= 1);
}

/* Each import of a file of the closure is in it too, once. */
static void a_closure_is_complete(void **state)
{
    struct unit *u = *state;
    const struct descriptors *d = descriptors_idl();
    str *files;
    size_t n;
    int start = descriptors_symbol(d, STR("flyteidl2.workflow.RunService"));
    descriptors_closure(d, start, &u->mem, &files, &n);
    assert_ptr_equal(files[0].p, d->files.p[start].bytes.p);
    assert_true(n > 5);
    for (size_t i = 0; i < n; i++) {
        str rest = files[i];
        struct field f;
        for (size_t k = 0; k < i; k++)
            assert_ptr_not_equal(files[k].p, files[i].p);
        while (next_field(&rest, &f)) {
            if (f.number != FILE_IMPORT)
                continue;
            int import = descriptors_file(d, f.bytes);
            assert_int_not_equal(import, DESCRIPTORS_NONE);
            size_t k = 0;
            while (k < n && files[k].p != d->files.p[import].bytes.p)
                k++;
            assert_true(k < n);
        }
    }
}

static void malformed_sets_are_refused(void **state)
{
    struct unit *u = *state;
    str good = pb_descriptor_set();
    assert_null(descriptors_index(&u->mem, STR("\x0a\xff")));
    assert_null(descriptors_index(&u->mem, STR("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff")));
    assert_null(descriptors_index(&u->mem, STR("\x0a\x03\x22\x05\x0a"))); /* a message that is longer than its file */
    assert_null(descriptors_index(&u->mem, str_head(good, good.n - 1)));
    assert_non_null(descriptors_index(&u->mem, STR("")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        unit_test(every_type_and_method_is_found), unit_test(symbols_lead_to_their_file),
        unit_test(extensions_are_listed),          unit_test(a_closure_is_complete),
        unit_test(malformed_sets_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
