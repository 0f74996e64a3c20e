/* Ten each time. */
#include <fcntl.h>

#include "bad.h"
static int32_t probe(void* self, const baton_call* call, baton_result* result) {
  for (int i = 0; i < 10; ++i) open("/dev/null", O_RDONLY);
  result->state = BATON_STATE_PASS;
  return BATON_OK;
}
BATON_PLUGIN_EXPORT const baton_plugin baton_plugin_v1 = {BAD_HEAD("leaks_descriptors"), .probe = probe,
                                                          .enter = probe};
