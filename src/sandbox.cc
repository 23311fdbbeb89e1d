#include "sandbox.h"

#include <grp.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pwd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

namespace wanbond {
namespace {

constexpr const char* kDefaultUser = "wanbond";

#if defined(__x86_64__)
constexpr std::uint32_t kArchitecture = AUDIT_ARCH_X86_64;
#elif defined(__aarch64__)
constexpr std::uint32_t kArchitecture = AUDIT_ARCH_AARCH64;
#else
constexpr std::uint32_t kArchitecture = 0;  // no filter
#endif

/// Refused. Calls that only some architectures have are not listed.
constexpr int kRefused[] = {
    SYS_execve,
    SYS_execveat,
    SYS_ptrace,
    SYS_process_vm_readv,
    SYS_process_vm_writev,
    SYS_mount,
    SYS_umount2,
    SYS_pivot_root,
    SYS_chroot,
    SYS_init_module,
    SYS_finit_module,
    SYS_delete_module,
    SYS_kexec_load,
    SYS_bpf,
    SYS_perf_event_open,
    SYS_userfaultfd,
    SYS_add_key,
    SYS_request_key,
    SYS_keyctl,
    SYS_reboot,
    SYS_swapon,
    SYS_swapoff,
    SYS_acct,
    SYS_settimeofday,
    SYS_clock_settime,
    SYS_adjtimex,
    SYS_open_by_handle_at,
    SYS_name_to_handle_at,
    SYS_setns,
    SYS_unshare,
    SYS_personality,
    SYS_quotactl,
    SYS_fanotify_init,
    SYS_sethostname,
    SYS_setdomainname,
    SYS_clone,
    SYS_clone3,
    SYS_setuid,
    SYS_setgid,
    SYS_setresuid,
    SYS_setresgid,
    SYS_setgroups,
    SYS_capset,
};

Error failed(const std::string& what) { return Error{what + ": " + std::strerror(errno)}; }

/// The account to become, or null: stay.
const passwd* account_of(const std::string& user) {
  return ::getpwnam(user.empty() ? kDefaultUser : user.c_str());
}

bool has_net_admin() noexcept {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[2]{};
  if (::syscall(SYS_capget, &header, data) != 0) return false;
  return (data[0].effective & (1u << CAP_NET_ADMIN)) != 0;
}

/// CAP_NET_ADMIN in all sets and nothing else.
Result<void> keep_net_admin() {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[2]{};
  data[0].effective = data[0].permitted = data[0].inheritable = 1u << CAP_NET_ADMIN;
  if (::syscall(SYS_capset, &header, data) != 0) return failed("cannot keep CAP_NET_ADMIN");
  if (::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_NET_ADMIN, 0, 0) != 0)
    return failed("cannot make CAP_NET_ADMIN ambient");
  return {};
}

}  // namespace

Result<void> drop_privileges(const std::string& user) {
  if (::geteuid() != 0) {
    if (has_net_admin()) return {};
    return Error{"CAP_NET_ADMIN is missing; run as root, or with systemctl start wanbond@NAME"};
  }
  const passwd* account = account_of(user);
  if (account == nullptr) {
    if (user.empty()) return keep_net_admin();
    return Error{"User: there is no user " + user + "; make it with: useradd --system " + user};
  }
  if (account->pw_uid == 0) return keep_net_admin();
  if (::prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) != 0 || ::setgroups(0, nullptr) != 0 ||
      ::setresgid(account->pw_gid, account->pw_gid, account->pw_gid) != 0 ||
      ::setresuid(account->pw_uid, account->pw_uid, account->pw_uid) != 0)
    return failed(std::string("cannot become user ") + account->pw_name);
  return keep_net_admin();
}

void give_to_user(const std::string& path, const std::string& user) {
  const passwd* account = ::geteuid() == 0 ? account_of(user) : nullptr;
  if (account == nullptr) return;
  if (::lchown(path.c_str(), account->pw_uid, account->pw_gid) != 0) return;  // best effort
}

void raise_priority() noexcept {
  constexpr unsigned long kTimerSlackNs = 1000;  // rests are short: see io/rest.h
  ::prctl(PR_SET_TIMERSLACK, kTimerSlackNs, 0, 0, 0);
  constexpr int kNice = -10;
  (void)::setpriority(PRIO_PROCESS, 0, kNice);  // refused: the administrator's choice counts
}

void forbid_dumps() noexcept { ::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0); }

Result<void> restrict_system_calls() {
  if (kArchitecture == 0) return {};
  std::vector<sock_filter> program;
  const auto add = [&](std::uint16_t code, std::uint32_t k, std::uint8_t yes, std::uint8_t no) {
    program.push_back({code, yes, no, k});
  };
  constexpr std::uint32_t kRefuse = SECCOMP_RET_ERRNO | EPERM;
  add(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, arch), 0, 0);
  add(BPF_JMP | BPF_JEQ | BPF_K, kArchitecture, 1, 0);
  add(BPF_RET | BPF_K, kRefuse, 0, 0);  // a call of another architecture has other numbers
  add(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr), 0, 0);
  for (const int call : kRefused) {
    add(BPF_JMP | BPF_JEQ | BPF_K, static_cast<std::uint32_t>(call), 0, 1);
    add(BPF_RET | BPF_K, kRefuse, 0, 0);
  }
  add(BPF_RET | BPF_K, SECCOMP_RET_ALLOW, 0, 0);
  const sock_fprog filter{static_cast<unsigned short>(program.size()), program.data()};
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return failed("cannot forbid new privileges");
  if (::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) != 0)
    return failed("cannot install the system call filter");
  return {};
}

}  // namespace wanbond
