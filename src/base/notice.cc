#include "base/notice.h"

#include <array>

namespace baton {
namespace {

constexpr std::string_view kReport = "Report it, with the lines around it; a restart of Baton mends it.";
constexpr std::string_view kStartedAnew = "It is started anew by itself. If it comes again, report it.";
constexpr std::string_view kResources = "Look for exhausted memory, processes or descriptors on this host.";

constexpr auto kTable = std::to_array<Notice>({
    {"channel_unwatched", "The steward cannot watch its channel to another process of Baton.", kReport},
    {"cleanup_failed",
     "After three deaths of the engine, or at a stop, not all addresses could be removed. They lapse by their "
     "lifetime.",
     "`batonctl cleanup` removes them; `ip address` shows what is left."},
    {"config_diagnostic",
     "A finding in the configuration at a start or a reload, with its code, file, line and column. An error refuses "
     "the "
     "file, a warning does not.",
     "`batonctl check` shows it with the line; the codes are in baton.conf(5)."},
    {"config_reader_failed", "The process that reads the configuration could not be confined, or failed.", kResources},
    {"configuration_unreadable", "The steward was given a configuration that it cannot read back.", kReport},
    {"engine_died",
     "The engine ended unexpectedly; the status says how. Another one goes on with its state, so that the next advert "
     "leaves on time.",
     "Nothing for once; report it. A signal SIGKILL mostly means the kernel's out-of-memory killer."},
    {"engine_failed", "The engine could not start: the error says why.",
     "Mend the cause. It is tried again, and after three deaths within a minute it stays down."},
    {"engine_given_up",
     "The engine died three times within a minute. The addresses were removed and priority 0 was sent, so that another "
     "host takes over; this host stays down.",
     "Look at the lines before it, mend the cause, then restart Baton."},
    {"engine_hung",
     "The engine's heartbeat stood still for longer than half the shortest Active_Down_Interval, or it did not release "
     "in time at a stop. It was ended; another one goes on with its state.",
     "Look for a host that is overloaded, or a kernel lock that is held for long; see `realtime` in baton.conf(5)."},
    {"engine_not_started", "No process could be made for the engine. It is tried again.", kResources},
    {"engine_starved",
     "The engine stands still, but because the host lets nothing run: a new one would not, either, and so it is kept.",
     "Look for overload: a virtual machine without processor time, a runaway real-time process."},
    {"event_loop_failed", "A side process could not wait for events any more and ends.", kStartedAnew},
    {"guardian_failed", "The guardian could not go on and stops Baton in order.", kReport},
    {"guardian_lost",
     "The guardian is gone (killed?). The engine releases all addresses and ends, so that another host takes over.",
     "See what ended batond; the service manager starts it anew."},
    {"history_damaged",
     "Records of the history on disk are damaged (a power cut?) and were skipped. What is whole is kept.",
     "Nothing, but look at the disk if it comes again."},
    {"intent_unreadable",
     "What the operator said before (drain, freeze) cannot be read. This host is taken to be drained: nobody rather "
     "than two.",
     "Look at the file named under /var/lib/baton, then `batonctl undrain`."},
    {"ipc_lost", "A channel between two processes of Baton could not be made.", kResources},
    {"ipc_malformed", "A process of Baton sent another one what cannot be a message. It was not acted upon.", kReport},
    {"last_resort_blind",
     "The engine is gone for good and its state cannot be read: priority 0 is not sent, addresses are removed by the "
     "journal alone. Another host takes over after Active_Down_Interval.",
     "`ip address` shows whether all addresses are gone."},
    {"log_writer_died", "The process that writes `log_file` has ended; the log goes to standard error, or the journal.",
     "Look for a full or read-only disk, then restart Baton at a quiet time."},
    {"log_writer_lost", "The guardian cannot watch the process that writes `log_file`; it writes on.", {}},
    {"metrics_unavailable", "The port of `metrics_listen` cannot be opened: nothing can be scraped there.",
     "Find who has it (`ss -ltnp`), or set another port and reload; `batonctl metrics` works all the same."},
    {"notify_dropped", "More notifications waited for a plugin than there is room for. This one is lost.",
     "See why the plugin is slow: `batonctl plugin test NAME --verb notify --really`."},
    {"notify_failed", "A notification failed; the plugin's own words say why. Nothing waits for it or repeats it.",
     "Mend what the sentence names."},
    {"option_refused", "The host refused `realtime` or `memory_lock`. Baton goes on without it.",
     "Allow it: LimitRTPRIO= and LimitMEMLOCK=, or the capabilities CAP_SYS_NICE and CAP_IPC_LOCK, in a drop-in of "
     "the unit."},
    {"peer_port_taken", "The UDP port of the peer channel cannot be opened: the hosts do not see each other's state.",
     "Find who has it (`ss -ulpn`), or set peer_port alike on all hosts."},
    {"peer_refused",
     "A packet from the address of another host was refused; the reason is named: no key in common, another host name "
     "than its [peer] section has, or no message of this version.",
     "Give all hosts the same peer_key_file and the same [peer] sections."},
    {"plugin_bell", "A plugin's process cannot tell the engine of news at once; they are seen at the next look.",
     kStartedAnew},
    {"plugin_bell_lost", "The engine cannot watch for a plugin's news; they are seen at the next look.", kReport},
    {"plugin_channel_lost", "The engine cannot watch the channel to a plugin's process: its acts cannot be asked for.",
     kReport},
    {"plugin_garbage",
     "A plugin's process answered what is no answer, or another question. It was ended, what it said does not count, "
     "and it is started anew.",
     "The plugin is broken, or overwrites memory: report it to its author."},
    {"plugin_given_up",
     "A plugin's process died five times within a minute. It is tried again once a minute; until then a check "
     "counts as failed and an act as not done.",
     "The sentence says how it dies; `batonctl plugin test NAME` shows it at once."},
    {"plugin_host_died", "A plugin's process ended, or was ended at its deadline. It is started anew.",
     "If it comes often: `batonctl plugin test NAME`, and compare `timeout` with how long a call takes."},
    {"plugin_host_failed", "A plugin's process could not be set up: its user, its confinement or its section.",
     "Mend what the text names; it is tried again."},
    {"plugin_left_processes", "A check came back without ending what it had started; that is killed after each probe.",
     "Mend the script or plugin: what it starts must end with it."},
    {"plugin_not_loaded", "A module could not be loaded: the text says why.",
     "Install the module, and see that it and its directory belong to root and may be written by nobody else."},
    {"plugin_page_lost", "The engine cannot read the memory in which a plugin leaves its results.", kReport},
    {"plugin_recycled",
     "A plugin's process has grown, or keeps descriptors open, and is started afresh between two probes.",
     "The plugin leaks: report it to its author. No result was lost."},
    {"plugin_says", "A plugin's own words to the log.", "Its chapter in baton-plugins(7)."},
    {"plugins_not_started", "The guardian could not make out which plugin processes there should be; none was started.",
     kReport},
    {"process_died", "A side process of Baton (the name says which) ended unexpectedly. The election goes on.",
     kStartedAnew},
    {"process_failed", "A process of Baton met an error that it cannot go on from.", kStartedAnew},
    {"process_lost", "The guardian cannot wait for the end of a process that it ended.", {}},
    {"recorder_failed",
     "The flight recorder cannot listen on an interface, or could not write a capture. Transitions are in the history "
     "all the same, without a capture.",
     "Look at the disk of /var/lib/baton, or at CAP_NET_RAW, as the text says; `recorder = 0` turns it off."},
    {"release_incomplete",
     "At a stop not everything was released in time: addresses, which lapse by their lifetime, or a database.",
     "`ip address` and `batonctl cleanup`; look whether the database here is still writable."},
    {"reload_failed", "A reload could not be carried out; the old configuration stays in force.",
     "Mend the cause and reload again. If the engine did not answer, restart Baton at a quiet time."},
    {"reload_refused", "The changed configuration has errors. Nothing was changed.", "`batonctl check` names them."},
    {"resignation_failed",
     "Priority 0 could not be sent on the interface named: another host takes over after Active_Down_Interval instead "
     "of at once.",
     {}},
    {"restart_needed", "The key named takes effect only when batond is started anew.",
     "Restart Baton at a quiet time."},
    {"scribe_failed", "The scribe, which writes history and intent, could not be set up.", kStartedAnew},
    {"scribe_silent",
     "History and intent cannot be written: the disk is full or read-only, or does not answer. The election is "
     "unaffected. It is also an alarm.",
     "Make room, mount it writable again. It is tried again, and scribe_silent_over says when it works."},
    {"scribe_start_failed", "The scribe cannot use its directory.",
     "The state directory (/var/lib/baton) has to exist and be writable for baton-scribe."},
    {"start_failed", "Baton could not start; the lines before it say why.", "Mend the cause, and start it again."},
    {"state_unreadable",
     "What this host did with a database before its start (promotions and their generations) cannot be read. This host "
     "does not promote it.",
     "Look at both databases and at the directory named, then `batonctl forgive INSTANCE --i-accept-loss`."},
    {"steward_failed", "The steward, which answers batonctl and speaks with the other hosts, could not be set up.",
     kStartedAnew},
    {"steward_start_failed", "The steward could not start: the text says why.",
     "Mostly the runtime directory (/run/baton) or its socket."},
    {"still_frozen", "An operator froze this host before this start: it takes and gives nothing by itself.",
     "`batonctl thaw`, or wait for the time to end."},
    {"trouble",
     "Something of the kernel's did not work and is tried again: the address journal, a multicast membership, a packet "
     "socket or a netlink dump. trouble_over says when it works.",
     "The errno says what. No space left: /run is full. Permission: a security module, or a missing capability."},
    {"watchdog_failed", "The watchdog device cannot be opened, set or fed. Nothing is promoted here without it.",
     "Load its module; see that no other program has it open (RuntimeWatchdogSec= of systemd). It is tried again every "
     "5 s."},
    {"watchdog_is_a_file", "`watchdog` names a file instead of a device: feeding is recorded, but nobody is reset.",
     "Name a device, unless this is a test."},
    {"watchdog_left_armed",
     "At the stop a database of this host may still have been writable: the watchdog resets the host, so that another "
     "one may promote.",
     "Nothing; that is its purpose. Stop the database first if the host must not be reset."},
    {"watchdog_unfed",
     "What is writable here has no grant for much longer, or the engine stands still: this host is reset unless that "
     "ends.",
     "See that the witness, or the other host, can be reached."},
});

}  // namespace

std::span<const Notice> notice_table() { return kTable; }

}  // namespace baton
