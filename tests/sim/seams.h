/* tests/sim/seams.h - the other seams: files and pipes, name servers, TLS. */
#ifndef TERN_TESTS_SIM_SEAMS_H
#define TERN_TESTS_SIM_SEAMS_H

#include "dns/resolver.h"
#include "engine/engine.h"
#include "pool/profile.h"
#include "tests/sim/world.h"

/* ---- files ---- */

#define SIM_FILE_FD_FIRST 100000
#define SIM_HOSTS_PATH "/sim/hosts" /* says that hosts.sim is origin 0's first address */

struct tern_files *sim_files(void);

/* A descriptor from which len bytes of the body called seed can be read: of a file at once, of a pipe bit by bit. */
int sim_file_new(uint64_t seed, uint64_t len, bool is_pipe);
void sim_file_close(int fd);
uint32_t sim_files_open(void);
void sim_files_end(void);

/* For the io of an engine: level-triggered watches of pipes. A file cannot be watched (-EPERM). */
int sim_file_watch(int engine, struct tern_watch *watch);
bool sim_file_unwatch(struct tern_watch *watch);                    /* false: no descriptor from here */
int sim_file_ready(int engine, struct tern_io_event *out, int cap); /* out NULL: 1 if any is ready */

/* ---- name servers and TLS, for tern_client_new_with ---- */

enum tern_error sim_resolver_new(struct tern_engine *engine, struct tern_resolver **out, void *user);
enum tern_error sim_tls_new(struct tern_engine *engine, struct tern_tls_provider **out, void *user);

#endif
