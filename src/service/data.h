/* Where the inputs and outputs of an action are. */
#ifndef SERVICE_DATA_H
#define SERVICE_DATA_H

#include "store/action.h"
#include "store/attempt.h"

/* The file ".../inputs.pb"; "" when the action has none. */
str service_inputs_uri(struct ctx *cx, const struct store_action *a);
/* The file ".../outputs.pb"; "" unless the action succeeded (or was recovered) and has one. */
str service_outputs_uri(struct ctx *cx, const struct store_action *a);

/* URIs from people, who have all projects as long as there is no authentication (D-12). Errors: INVALID_ARGUMENT naming
 * the field. An object that is to be read: */
must_check_ enum code service_data_check_object(struct ctx *cx, const char *field, str uri);
/* Read or write entry. A folder that a run of the project, or an upload for it, will make: not another project's, nor
 * among the uploads. project empty: of whatever project, so only its bucket counts. */
must_check_ enum code service_data_check_folder(struct ctx *cx, const char *field, str uri, str project);

/* The same for raw data, which tasks may also put into a bucket of object.upstreams. */
must_check_ enum code service_data_check_raw(struct ctx *cx, const char *field, str uri, str project);

/* A whole object of inputs, outputs or one value, of at most 32 MiB. Errors also: NOT_FOUND. */
must_check_ enum code service_data_read(struct ctx *cx, const char *field, str uri, str *bytes);

/* The attempt's report, which grows while the task flushes it. NOT_FOUND when there is none. Reads an object. */
must_check_ enum code service_report_key(struct ctx *cx, const struct store_attempt *t, str *bucket, str *key);

/* A URL by which anybody who has it may read the object for that long; answered with content_type, or the stored one when
 * that is empty. */
must_check_ enum code service_download_url(struct ctx *cx, str bucket, str key, int64_t lifetime_s, str content_type,
                                           str *url);

#endif
