"""protovalidate, the rules' own implementation, as the judge of messages, less what D-50 exempts: that is listed here by
hand, apart from src/pb/validate_exceptions.def."""
import protovalidate

# (message or None for all, field, rules or None for all): never enforced
EXEMPT = [
    (None, 'org', {'string.min_len'}),
    (None, 'organization', {'string.min_len'}),
    ('flyteidl2.common.Domain', 'organization', {'required'}),
    ('flyteidl2.common.ManagedClusterIdentifier', 'org', {'required'}),
    ('flyteidl2.common.Organization', 'name', {'string.min_len'}),
    ('flyteidl2.common.OffloadedInputData', 'inputs_hash', {'string.min_len'}),
    ('flyteidl2.common.TriggerName', 'task_name', {'string.min_len'}),
    ('flyteidl2.notification.WebhookDeliveryTemplate', 'headers', {'string.max_len'}),
    ('flyteidl2.workflow.ActionStatus', 'attempts', {'uint32.gt'}),
    ('flyteidl2.workflow.RecordRequest', 'events', {'repeated.min_items'}),
    ('flyteidl2.workflow.TraceAction', 'spec', {'required'}),
]
# these alone of this message's: clients send partial identifiers
CLUSTER_RULES = ('resource', 'operation')
# not enforced while the field is empty
EXEMPT_EMPTY = [('flyteidl2.common.OrgIdentifier', 'name'),
                ('flyteidl2.dataproxy.CreateUploadLocationRequest', 'content_md5')]


def walk(message, elements):
    """(containing type, field name, value) of a violation's path."""
    d, value = message.DESCRIPTOR, message
    for e in elements:
        owner, name = d, e.field_name
        field = d.fields_by_name.get(name)
        if field is None:  # a oneof
            return owner.full_name, name, None
        if value is not None:
            value = getattr(value, name)
            if e.HasField('index'):
                value = value[e.index]
            elif e.WhichOneof('subscript'):
                value = None
        d = field.message_type
        if d is not None and d.GetOptions().map_entry:
            d = d.fields_by_name['value'].message_type
    return owner.full_name, name, value


def exempt(message, violation):
    elements = list(violation.proto.field.elements)
    if not elements:
        return False
    if message.DESCRIPTOR.full_name == 'flyteidl2.cluster.SelectClusterRequest':
        return elements[0].field_name not in CLUSTER_RULES
    owner, name, value = walk(message, elements)
    if any(m in (None, owner) and n == name and violation.proto.rule_id in rules for m, n, rules in EXEMPT):
        return True
    return (owner, name) in EXEMPT_EMPTY and not value


def path_of(violation):
    out = ''
    for e in violation.proto.field.elements:
        out += ('.' if out else '') + e.field_name
        kind = e.WhichOneof('subscript')
        if kind == 'index':
            out += f'[{e.index}]'
        elif kind == 'string_key':
            out += f'["{e.string_key}"]'
        elif kind:
            out += '[...]'
    return out


def violations(m):
    try:
        protovalidate.validate(m)
    except protovalidate.ValidationError as e:
        return [v for v in e.violations if not exempt(m, v)]
    return []
