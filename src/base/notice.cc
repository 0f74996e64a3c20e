#include "base/notice.h"

#include <array>

namespace baton {
namespace {

constexpr std::string_view kReport = "Report it, with the lines around it; a restart of Baton mends it.";
constexpr std::string_view kStartedAnew = "It is started anew by itself. If it comes again, report it.";
constexpr std::string_view kResources = "Look for exhausted memory, processes or descriptors on this host.";

constexpr auto kTable = std::to_array<Notice>({
    {"channel_unwatched", "dd5ba8d943a843fba3bf88f06edbdbf3",
     "The steward cannot watch its channel to another process of Baton.", kReport},
    {"cleanup_failed", "7e54e9ead9974804939d77553b0f821e",
     "After three deaths of the engine, or at a stop, not all addresses could be removed. They lapse by their "
     "lifetime.",
     "`batonctl cleanup` removes them; `ip address` shows what is left."},
    {"config_diagnostic", "ec8377f635d94f39b5998c20187f18e7",
     "A finding in the configuration at a start or a reload, with its code, file, line and column. An error refuses "
     "the "
     "file, a warning does not.",
     "`batonctl check` shows it with the line; the codes are in baton.conf(5)."},
    {"config_reader_failed", "dd7cb78ae94e44ba9c6a2257a2af575f",
     "The process that reads the configuration could not be confined, or failed.", kResources},
    {"configuration_unreadable", "83c98c93ac2040b185d4c0689297a15f",
     "The steward was given a configuration that it cannot read back.", kReport},
    {"engine_died", "a41df893d453438d8b6d0274e8b9c0f8",
     "The engine ended unexpectedly; the status says how. Another one goes on with its state, so that the next advert "
     "leaves on time.",
     "Nothing for once; report it. A signal SIGKILL mostly means the kernel's out-of-memory killer."},
    {"engine_failed", "d3595fbea1264a878f4fc878baa8baab", "The engine could not start: the error says why.",
     "Mend the cause. It is tried again, and after three deaths within a minute it stays down."},
    {"engine_given_up", "737d370d765647d987cf104601fbf0be",
     "The engine died three times within a minute. The addresses were removed and priority 0 was sent, so that another "
     "host takes over; this host stays down.",
     "Look at the lines before it, mend the cause, then restart Baton."},
    {"engine_hung", "0dbe096a792449ffa0cdf7cf9bad7c50",
     "The engine's heartbeat stood still for longer than half the shortest Active_Down_Interval, or it did not release "
     "in time at a stop. It was ended; another one goes on with its state.",
     "Look for a host that is overloaded, or a kernel lock that is held for long; see `realtime` in baton.conf(5)."},
    {"engine_not_started", "80c807bed1884150ad7f458ecd3be766",
     "No process could be made for the engine. It is tried again.", kResources},
    {"engine_starved", "89e1b8bb84064303990ccc0c06769ccb",
     "The engine stands still, but because the host lets nothing run: a new one would not, either, and so it is kept.",
     "Look for overload: a virtual machine without processor time, a runaway real-time process."},
    {"event_loop_failed", "733c315530cf4f16a74efcbfb9e5beb3",
     "A side process could not wait for events any more and ends.", kStartedAnew},
    {"guardian_failed", "ed7d123992254136a45fc4e0fab7c4e3", "The guardian could not go on and stops Baton in order.",
     kReport},
    {"guardian_lost", "8d294beb4a4549e58e363c72ea64fcac",
     "The guardian is gone (killed?). The engine releases all addresses and ends, so that another host takes over.",
     "See what ended batond; the service manager starts it anew."},
    {"history_damaged", "d0b79f1241c64b5bb6f23a9d5a2cea09",
     "Records of the history on disk are damaged (a power cut?) and were skipped. What is whole is kept.",
     "Nothing, but look at the disk if it comes again."},
    {"intent_unreadable", "6c5bd338457c469abebbef07647ed0c4",
     "What the operator said before (drain, freeze) cannot be read. This host is taken to be drained: nobody rather "
     "than two.",
     "Look at the file named under /var/lib/baton, then `batonctl undrain`."},
    {"ipc_lost", "01a1548ef7084289b5eee5d404906280", "A channel between two processes of Baton could not be made.",
     kResources},
    {"ipc_malformed", "3ae9b303a8e54ab7be38de255c502c3c",
     "A process of Baton sent another one what cannot be a message. It was not acted upon.", kReport},
    {"last_resort_blind", "cd8aa4f89cfe4799be9e2a20c26cc69a",
     "The engine is gone for good and its state cannot be read: priority 0 is not sent, addresses are removed by the "
     "journal alone. Another host takes over after Active_Down_Interval.",
     "`ip address` shows whether all addresses are gone."},
    {"log_writer_died", "1dd04192902543948bc395090d4cbac8",
     "The process that writes `log_file` has ended; the log goes to standard error, or the journal.",
     "Look for a full or read-only disk, then restart Baton at a quiet time."},
    {"log_writer_lost",
     "0b33db9397a04272832d057555419730",
     "The guardian cannot watch the process that writes `log_file`; it writes on.",
     {}},
    {"metrics_unavailable", "e29b8b5400954c2cae3dccea47540514",
     "The port of `metrics_listen` cannot be opened: nothing can be scraped there.",
     "Find who has it (`ss -ltnp`), or set another port and reload; `batonctl metrics` works all the same."},
    {"notify_dropped", "ac6c1fde1fef426a9b85a692103eba36",
     "More notifications waited for a plugin than there is room for. This one is lost.",
     "See why the plugin is slow: `batonctl plugin test NAME --verb notify --really`."},
    {"notify_failed", "21801cb2eab54ee398185d22d6621bc8",
     "A notification failed; the plugin's own words say why. Nothing waits for it or repeats it.",
     "Mend what the sentence names."},
    {"option_refused", "a2e7554792ba49b39a6f6ccee7277df3",
     "The host refused `realtime` or `memory_lock`. Baton goes on without it.",
     "Allow it: LimitRTPRIO= and LimitMEMLOCK=, or the capabilities CAP_SYS_NICE and CAP_IPC_LOCK, in a drop-in of "
     "the unit."},
    {"peer_port_taken", "ff0298d9e5524050a1f879f4d961df5b",
     "The UDP port of the peer channel cannot be opened: the hosts do not see each other's state.",
     "Find who has it (`ss -ulpn`), or set peer_port alike on all hosts."},
    {"peer_refused", "6a66a629be494fb68b00cbb208864bb0",
     "A packet from the address of another host was refused; the reason is named: no key in common, another host name "
     "than its [peer] section has, or no message of this version.",
     "Give all hosts the same peer_key_file and the same [peer] sections."},
    {"plugin_bell", "326bb0edec5c4f6198229389c3111454",
     "A plugin's process cannot tell the engine of news at once; they are seen at the next look.", kStartedAnew},
    {"plugin_bell_lost", "9e9adee2d02b4fb6b7bdc7e23f04ce86",
     "The engine cannot watch for a plugin's news; they are seen at the next look.", kReport},
    {"plugin_channel_lost", "8eb20efbb78e414b8d1122c035e05ade",
     "The engine cannot watch the channel to a plugin's process: its acts cannot be asked for.", kReport},
    {"plugin_garbage", "dc78ed0c7d744709af025fd2d2db548c",
     "A plugin's process answered what is no answer, or another question. It was ended, what it said does not count, "
     "and it is started anew.",
     "The plugin is broken, or overwrites memory: report it to its author."},
    {"plugin_given_up", "f60f0b9a1a7e4cc78929c5e4e4b21244",
     "A plugin's process died five times within a minute. It is tried again once a minute; until then a check "
     "counts as failed and an act as not done.",
     "The sentence says how it dies; `batonctl plugin test NAME` shows it at once."},
    {"plugin_host_died", "68fa8c7f9ab24f49ba2a17587bba547b",
     "A plugin's process ended, or was ended at its deadline. It is started anew.",
     "If it comes often: `batonctl plugin test NAME`, and compare `timeout` with how long a call takes."},
    {"plugin_host_failed", "032fdf40ad0b4c43875e159da7a7b0b1",
     "A plugin's process could not be set up: its user, its confinement or its section.",
     "Mend what the text names; it is tried again."},
    {"plugin_left_processes", "cfe4b860a21e4a959b804fbe30cc13a1",
     "A check came back without ending what it had started; that is killed after each probe.",
     "Mend the script or plugin: what it starts must end with it."},
    {"plugin_not_loaded", "8aa8eb52504a4c8f9c173f8225efbb38", "A module could not be loaded: the text says why.",
     "Install the module, and see that it and its directory belong to root and may be written by nobody else."},
    {"plugin_page_lost", "b24cd7b27d7a48e288315f00bbdba407",
     "The engine cannot read the memory in which a plugin leaves its results.", kReport},
    {"plugin_recycled", "78372bc4e485444a9e72e2299c0d62b9",
     "A plugin's process has grown, or keeps descriptors open, and is started afresh between two probes.",
     "The plugin leaks: report it to its author. No result was lost."},
    {"plugin_says", "441adb5a8dd64a3fa61860786466740e", "A plugin's own words to the log.",
     "Its chapter in baton-plugins(7)."},
    {"plugins_not_started", "ce119a25d12748a8b53af72e11dbc572",
     "The guardian could not make out which plugin processes there should be; none was started.", kReport},
    {"process_died", "a0f314d72f194abdac69838d724ad51b",
     "A side process of Baton (the name says which) ended unexpectedly. The election goes on.", kStartedAnew},
    {"process_failed", "7a926413cf8c473e8d7c16a4c11ba904", "A process of Baton met an error that it cannot go on from.",
     kStartedAnew},
    {"process_lost",
     "3ec48012379d4dd1b30773acbdd42fb2",
     "The guardian cannot wait for the end of a process that it ended.",
     {}},
    {"recorder_failed", "a75c2d0962694265a2e33d523854cc34",
     "The flight recorder cannot listen on an interface, or could not write a capture. Transitions are in the history "
     "all the same, without a capture.",
     "Look at the disk of /var/lib/baton, or at CAP_NET_RAW, as the text says; `recorder = 0` turns it off."},
    {"reexec_failed", "390c3123648f4ca09bbf7c59b5f6a648",
     "`batonctl reexec` did not go through; the step and the reason are in the line. The old program goes on, and no "
     "address has moved.",
     "Mend what the reason names (mostly the new file: `batond --selfcheck`), then `batonctl reexec` again. Where it "
     "says "
     "that only a restart goes over: batonctl drain, systemctl restart baton, batonctl undrain."},
    {"reexec_no_way_back", "3d42546f4e3e41a48f8ec7f1a423ec0c",
     "The new program's engine could not take over, and the guardian could not become the old program again. The old "
     "engine goes on, looked after by the new program.",
     "`batonctl reexec` again once the reason in the next line is mended; it moves nothing."},
    {"release_incomplete", "e0a12e33907844219c104e8945461eb2",
     "At a stop not everything was released in time: addresses, which lapse by their lifetime, or a database.",
     "`ip address` and `batonctl cleanup`; look whether the database here is still writable."},
    {"reload_failed", "2ec3dd429bea48358e2e476598a89e51",
     "A reload could not be carried out; the old configuration stays in force.",
     "Mend the cause and reload again. If the engine did not answer, restart Baton at a quiet time."},
    {"reload_refused", "cd368214cfd045c2abf51b88d1b7b5cf", "The changed configuration has errors. Nothing was changed.",
     "`batonctl check` names them."},
    {"reload_rolled_back", "3afdcbef1c864068b1c7f72aa61a5bfc",
     "A reload with --confirm-within was not confirmed in time, or an operator took it back: the configuration before "
     "it "
     "is in force again. The file still holds the other one, and a restart of batond would read that.",
     "`batonctl config diff` shows what differs. Mend the file and reload, or put the old one back."},
    {"resignation_failed",
     "200b80b8c0a94a39a415bea510890d4a",
     "Priority 0 could not be sent on the interface named: another host takes over after Active_Down_Interval instead "
     "of at once.",
     {}},
    {"restart_needed", "bccb8fced4514b24afaed17bcfdd87dc",
     "The key named takes effect only when batond is started anew.", "Restart Baton at a quiet time."},
    {"scribe_failed", "6327f07dc8434d16add728179d27190c",
     "The scribe, which writes history and intent, could not be set up.", kStartedAnew},
    {"scribe_silent", "c37fed0a73c94b00bcac7fabac682c27",
     "History and intent cannot be written: the disk is full or read-only, or does not answer. The election is "
     "unaffected. It is also an alarm.",
     "Make room, mount it writable again. It is tried again, and scribe_silent_over says when it works."},
    {"scribe_start_failed", "195dc6e2ef1d453d8a848027379cf777", "The scribe cannot use its directory.",
     "The state directory (/var/lib/baton) has to exist and be writable for baton-scribe."},
    {"start_failed", "a06b1ad223e74848a3a0dfd7ccce6263", "Baton could not start; the lines before it say why.",
     "Mend the cause, and start it again."},
    {"state_unreadable", "5588f3ac2ad14cdaad257294d3dc90e1",
     "What this host did with a database before its start (promotions and their generations) cannot be read. This host "
     "does not promote it.",
     "Look at both databases and at the directory named, then `batonctl forgive INSTANCE --i-accept-loss`."},
    {"steward_failed", "c725dd0b60e54238b16cabfa3586379d",
     "The steward, which answers batonctl and speaks with the other hosts, could not be set up.", kStartedAnew},
    {"steward_start_failed", "9c27480041ac4f4d9acfa18dabbb29b2", "The steward could not start: the text says why.",
     "Mostly the runtime directory (/run/baton) or its socket."},
    {"still_frozen", "df97da3bc85e4d6388367b0c0f50959a",
     "An operator froze this host before this start: it takes and gives nothing by itself.",
     "`batonctl thaw`, or wait for the time to end."},
    {"successor_died", "ced49954e46e43f09f449d9cabb20df7",
     "At a re-exec the new engine ended just before it took over. Another one goes on with the state on the board, as "
     "after a death.",
     "Nothing for once; report it if it comes again."},
    {"trouble", "55421f8cae2940a5abfac29e0209fe78",
     "Something of the kernel's did not work and is tried again: the address journal, a multicast membership, a packet "
     "socket or a netlink dump. trouble_over says when it works.",
     "The errno says what. No space left: /run is full. Permission: a security module, or a missing capability."},
    {"watchdog_failed", "25439d83031d4a7cb9772a2e5b93c764",
     "The watchdog device cannot be opened, set or fed. Nothing is promoted here without it.",
     "Load its module; see that no other program has it open (RuntimeWatchdogSec= of systemd). It is tried again every "
     "5 s."},
    {"watchdog_is_a_file", "336ab562126b44e6a1a7c1c53955c461",
     "`watchdog` names a file instead of a device: feeding is recorded, but nobody is reset.",
     "Name a device, unless this is a test."},
    {"watchdog_left_armed", "f292b3d486dc45bf9194fa6801fc075c",
     "At the stop a database of this host may still have been writable: the watchdog resets the host, so that another "
     "one may promote.",
     "Nothing; that is its purpose. Stop the database first if the host must not be reset."},
    {"watchdog_unfed", "bd5d596566834c5ba5011ff74e19ec63",
     "What is writable here has no grant for much longer, or the engine stands still: this host is reset unless that "
     "ends.",
     "See that the witness, or the other host, can be reached."},
});

}  // namespace

std::span<const Notice> notice_table() { return kTable; }

}  // namespace baton
