/* Says too much: endless, binary and missing texts. */
#include <stdlib.h>
#include <string.h>

#include "bad.h"
static const baton_host* host;
static int32_t open_it(const baton_host* h, void** self) {
  host = h;
  return BATON_OK;
}
static int32_t probe(void* self, const baton_call* call, baton_result* result) {
  char* text = malloc(1 << 20);
  memset(text, 'a', (1 << 20) - 1);
  text[(1 << 20) - 1] = 0;
  char key[3] = "k0";
  for (int i = 0; i < 40; ++i) {
    key[1] = (char)('0' + i);
    host->fact(host->context, key, text);
    host->refuse(host->context, text);
    host->log(host->context, BATON_LOG_WARNING, "again");
  }
  host->say(host->context, text);
  host->say(host->context, NULL);
  host->say(host->context, "bell \a, escape \033[31m and tab\tend");
  host->fact(host->context, NULL, NULL);
  text[1023] = 0;
  host->position(host->context, text);
  text[1023] = 'a';
  for (int i = 0; i < 5000; ++i) host->log(host->context, BATON_LOG_ERROR, text);
  free(text);
  result->state = BATON_STATE_PASS;
  return BATON_OK;
}
BATON_PLUGIN_EXPORT const baton_plugin baton_plugin_v1 = {BAD_HEAD("many_words"), .open = open_it, .probe = probe};
