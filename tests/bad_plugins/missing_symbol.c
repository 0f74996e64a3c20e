/* Exports something, but no plugin. */
#include "bad.h"
BATON_PLUGIN_EXPORT const int something_else = 1;
