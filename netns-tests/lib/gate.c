/* For tests: a section that lets a promotion or demotion stand still at a line of the test's choice, or fail there.
 *
 * Under `directory`/HOST lie the test's wishes for this section and verb:
 *   SECTION.VERB.stop  stand here for as long as this file exists, past any deadline; SECTION.VERB.stands then says that
 *                      it does
 *   SECTION.VERB.fail  answer with the status that is in this file
 */
#include <fcntl.h>
#include <plugin.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const baton_host* host;

static int32_t open_it(const baton_host* given, void** self) {
  host = given;
  *self = (void*)given;
  return BATON_OK;
}

static const char* place(char* path, size_t size, const char* verb, const char* what) {
  snprintf(path, size, "%s/%s/%s.%s.%s", host->text(host->context, "directory", 0), host->host_name, host->section, verb, what);
  return path;
}

static int32_t pass(void* self, const baton_call* call, baton_result* result) {
  (void)self;
  char stop[512], stands[512], fail[512], status[16] = "";
  place(stop, sizeof stop, call->verb, "stop");
  place(stands, sizeof stands, call->verb, "stands");
  const struct timespec moment = {0, 5000000};
  while (access(stop, F_OK) == 0) {
    const int file = open(stands, O_CREAT | O_WRONLY, 0666);
    if (file >= 0) close(file);
    nanosleep(&moment, NULL);
  }
  unlink(stands);
  result->role = BATON_ROLE_PRIMARY;
  result->generation = call->generation;
  const int file = open(place(fail, sizeof fail, call->verb, "fail"), O_RDONLY);
  if (file < 0) return BATON_OK;
  if (read(file, status, sizeof status - 1) < 0) status[0] = 0;
  close(file);
  host->say(host->context, "the test wants this to fail");
  if (atoi(status) == BATON_REFUSED) host->refuse(host->context, "the test refuses");
  return atoi(status);
}

static int32_t probe(void* self, const baton_call* call, baton_result* result) {
  (void)self, (void)call;
  result->state = BATON_STATE_PASS;
  return BATON_OK;
}

static const baton_key keys[] = {{.name = "directory", .type = BATON_KEY_PATH, .flags = BATON_KEY_REQUIRED, .help = "Where the wishes lie."}};

BATON_PLUGIN_EXPORT const baton_plugin baton_plugin_v1 = {.struct_size = sizeof(baton_plugin),
                                                          .abi_minor = BATON_PLUGIN_ABI_MINOR,
                                                          .name = "gate",
                                                          .version = "1",
                                                          .summary = "Stands still or fails where a test wants it",
                                                          .keys = keys,
                                                          .key_count = 1,
                                                          .key_size = sizeof(baton_key),
                                                          .open = open_it,
                                                          .probe = probe,
                                                          .can_promote = pass,
                                                          .block_writes = pass,
                                                          .unblock_writes = pass,
                                                          .drain = pass,
                                                          .promote = pass,
                                                          .demote = pass,
                                                          .verify = pass,
                                                          .fence = pass};
