// Whether cron would take a line of /etc/cron.d.
#pragma once

#include <string>

namespace baton_cron {

/// What is wrong with a job (five fields or @daily and its like, a user, a command); "" if nothing. `user` gets its
/// user.
std::string job_trouble(const std::string& line, std::string* user);

/// The same for a line of a file: empty lines, comments and NAME=VALUE are good, too, and leave `user` empty.
std::string line_trouble(const std::string& line, std::string* user);

}  // namespace baton_cron
