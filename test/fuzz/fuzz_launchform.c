/* Launch forms, both ways: what is answered can be read by whoever reads protocol buffers and JSON, and a form that was made
 * here is read or refused when it is sent back. The first byte chooses what the rest is. */
#include "fuzz.h"

#include "base/msgpack.h"
#include "gen/flyteidl2_workflow.h"
#include "launchform/launchform.h"

static struct fuzz f;

static void check_message(const struct pb_type *t, const void *msg)
{
    str bytes, text;
    void *again;
    fuzz_check(pb_encode(&f.cx, t, msg, &bytes) == CODE_OK);
    fuzz_check(pb_decode(&f.cx, t, bytes, &again) == CODE_OK);
    fuzz_check(pb_json_encode(&f.cx, t, again, &text) == CODE_OK);
}

static void check_form(GoogleProtobufStruct *json)
{
    WorkflowLiteralsToLaunchFormJsonResponse rsp = {.json = json};
    check_message(&WorkflowLiteralsToLaunchFormJsonResponse_type, &rsp);
}

static void check_literals(const struct launchform_literals *l)
{
    WorkflowJsonValuesToLiteralsResponse rsp = {.literals = {.p = l->p, .n = l->n}};
    check_message(&WorkflowJsonValuesToLiteralsResponse_type, &rsp);
}

/* As a client sends it: decoded, and so sorted. */
static void send_back(GoogleProtobufStruct *form)
{
    struct launchform_literals back;
    str bytes;
    void *msg;
    check_form(form);
    fuzz_check(pb_encode(&f.cx, &GoogleProtobufStruct_type, form, &bytes) == CODE_OK);
    fuzz_check(pb_decode(&f.cx, &GoogleProtobufStruct_type, bytes, &msg) == CODE_OK);
    if (launchform_to_literals(&f.cx, msg, &back) == CODE_OK)
        check_literals(&back);
}

/* A form in JSON. */
static void from_form(str input)
{
    struct launchform_literals literals;
    void *form;
    if (pb_json_decode(&f.cx, &GoogleProtobufStruct_type, input, false, &form) == CODE_OK &&
        launchform_to_literals(&f.cx, form, &literals) == CODE_OK)
        check_literals(&literals);
}

/* Variables and values. */
static void from_values(str input)
{
    struct launchform_literals literals;
    void *msg;
    if (pb_decode(&f.cx, &WorkflowJsonValuesToLiteralsRequest_type, input, &msg) != CODE_OK)
        return;
    const WorkflowJsonValuesToLiteralsRequest *req = msg;
    if (launchform_values_to_literals(&f.cx, req->variables, req->values, &literals) == CODE_OK)
        check_literals(&literals);
}

/* Variables and literals. */
static void from_literals(str input)
{
    GoogleProtobufStruct *form;
    void *msg;
    if (pb_decode(&f.cx, &WorkflowLiteralsToLaunchFormJsonRequest_type, input, &msg) != CODE_OK)
        return;
    const WorkflowLiteralsToLaunchFormJsonRequest *req = msg;
    struct launchform_literals literals = {.p = req->literals.p, .n = req->literals.n};
    if (launchform_from_literals(&f.cx, req->variables, &literals, NULL, &form) != CODE_OK)
        return;
    send_back(form);
}

/* A value in MessagePack, of any class. */
static void from_msgpack(str input)
{
    CoreLiteralType type = {.type_case = CoreLiteralType_simple_tag, .simple = CORE_STRUCT};
    CoreVariable variable = {.type = &type};
    CoreVariableEntry entry = {.key = STR("x"), .value = &variable}, *entries[] = {&entry};
    CoreVariableMap variables = {.variables = {.p = entries, .n = 1}};
    CoreBinary binary = {.value = input, .tag = STR("msgpack")};
    CoreScalar scalar = {.value_case = CoreScalar_binary_tag, .binary = &binary};
    CoreLiteral literal = {.value_case = CoreLiteral_scalar_tag, .scalar = &scalar};
    TaskNamedLiteral named = {.name = STR("x"), .value = &literal}, *all[] = {&named};
    struct launchform_literals literals = {.p = all, .n = 1};
    GoogleProtobufStruct *form;
    str canonical, again;
    if (msgpack_canonical(&f.cx, input, &canonical) == CODE_OK &&
        msgpack_canonical(&f.cx, canonical, &again) == CODE_OK)
        fuzz_check(str_eq(again, canonical));
    if (launchform_from_literals(&f.cx, &variables, &literals, NULL, &form) == CODE_OK)
        send_back(form);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static void (*const ways[])(str) = {from_form, from_values, from_literals, from_msgpack};
    if (size == 0)
        return 0;
    fuzz_init(&f);
    ways[data[0] & 3](str_make((const char *)data + 1, size - 1));
    fuzz_done(&f);
    return 0;
}
