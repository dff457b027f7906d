/* Secrets: sealing for storage, and the look-up that tasks use. The key lives outside the data folder (D-35): in the
 * file that TERN_SECRET_KEY_FILE names, in the systemd credential tern-secret-key, or in
 * $XDG_CONFIG_HOME/tern/secret.key, which is made when it is first needed. */
#ifndef ENGINE_SECRET_H
#define ENGINE_SECRET_H

#include "base/ctx.h"

/* One value: at most 1 MiB. */
#define ENGINE_SECRET_MAX ((size_t)1 << 20)

/* May make the key file. Errors: FAILED_PRECONDITION when the key cannot be read or made, saying which file. */
must_check_ enum code engine_secret_seal(struct ctx *cx, str domain, str project, str name, str value, str *sealed);

/* Of what engine_secret_seal() made. Errors: FAILED_PRECONDITION when it was sealed with another key; DATA_LOSS. */
must_check_ enum code engine_secret_open(struct ctx *cx, str domain, str project, str name, str sealed, str *value);

/* The value that a task of this project and domain sees: project scope first, then domain, then global. Needs cx->db.
 * Errors: NOT_FOUND naming the scopes that were looked at; FAILED_PRECONDITION naming the secret that cannot be opened. */
must_check_ enum code engine_secret_resolve(struct ctx *cx, str project, str domain, str name, str *value);

/* Another key: begin() makes one beside the old (or finds the one of a rekey that was cut off), rekey(), a write entry,
 * seals every secret with it, end(), after the commit, puts it in the old one's place and keeps that as *old, for backups
 * made before. Cut off anywhere, all secrets can be read, and the three are done again. No server may run meanwhile.
 * Errors: FAILED_PRECONDITION for a key that cannot be read or replaced. */
must_check_ enum code engine_secret_rekey_begin(struct ctx *cx);
must_check_ enum code engine_secret_rekey(struct ctx *cx, size_t *n);
must_check_ enum code engine_secret_rekey_end(struct ctx *cx, str *old);

#endif
