// What a reader of the configuration says to programs: diagnostics and differences as JSON text.
#pragma once

#include <span>
#include <string>

#include "config/diagnostic.h"
#include "config/diff.h"

namespace baton::daemon {

/// {"diagnostics":[{severity,code,file,line,column,width,message,source_line,help}],"diff":[{kind,object,keys:[{key,before,after}]}]}
std::string config_report(std::span<const config::Diagnostic> diagnostics,
                          std::span<const config::ObjectChange> changes);

}  // namespace baton::daemon
