/* XML of S3: writing answers, and reading the two documents that clients send. */
#ifndef OBJECT_S3_XML_INT_H
#define OBJECT_S3_XML_INT_H

#include "base/buf.h"
#include "object/s3_error_int.h"

/* "<?xml ...?>" and the opening tag; ns: of S3, or NULL for none. */
#define S3_XML_NS "http://s3.amazonaws.com/doc/2006-03-01/"
void object_s3_xml_begin(buf *b, const char *ns, const char *root);
void object_s3_xml_open(buf *b, const char *tag);
void object_s3_xml_end(buf *b, const char *tag);
/* <tag>value</tag>, escaped; bytes that XML cannot hold become U+FFFD. */
void object_s3_xml_text(buf *b, const char *tag, str value);
void object_s3_xml_int(buf *b, const char *tag, int64_t value);
/* "2026-01-31T12:00:00.000Z" */
void object_s3_xml_time(buf *b, const char *tag, int64_t time_ns);

/* Walks <root><record><field>text</field>...</record>...</root>: calls fn for every field, with record = its element's
 * name and the number of that element in the document from 0; for <root><field>text</field></root> with an empty
 * record. Strings are in cx->mem. Namespaces and attributes are ignored; document types are refused. Stops at the first
 * error, also fn's. */
typedef enum s3_error object_s3_xml_field_fn(void *arg, size_t number, str record, str field, str text);
enum s3_error object_s3_xml_walk(struct ctx *cx, str document, const char *root, object_s3_xml_field_fn *fn, void *arg);

#endif
