#include "tuner/process.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <cstring>

#include "base/printable.h"

namespace octile::tuner {
namespace {

using Clock = std::chrono::steady_clock;

struct Pipe {
    Pipe() { open = ::pipe2(ends.data(), O_CLOEXEC) == 0; }
    ~Pipe() {
        close_end(0);
        close_end(1);
    }
    Pipe(const Pipe&) = delete;
    Pipe& operator=(const Pipe&) = delete;
    void close_end(std::size_t end) {
        if (open && ends[end] >= 0) ::close(ends[end]);
        ends[end] = -1;
    }

    std::array<int, 2> ends = {-1, -1};
    bool open = false;
};

// In the child, between fork and exec: nothing but system calls.
[[noreturn]] void become(char* const* arguments, char* const* environment, const char* program, const char* folder,
                         const Pipe& in, const Pipe& out, const Pipe& err, int failure) {
    ::setpgid(0, 0);
    ::dup2(in.ends[0], 0);
    ::dup2(out.ends[1], 1);
    ::dup2(err.ends[1], 2);
    ::signal(SIGPIPE, SIG_DFL);
    if (folder[0] == '\0' || ::chdir(folder) == 0) ::execvpe(program, arguments, environment);
    const int error = errno;
    (void)!::write(failure, &error, sizeof error);
    ::_exit(127);
}

// Moves what is there between the ends and the strings until all are closed or it is time to stop.
class Exchange {
  public:
    Exchange(const ProcessOptions& options, Pipe& in, Pipe& out, Pipe& err, ProcessResult& result)
        : options_(options), in_(in), out_(out), err_(err), result_(result) {
        for (Pipe* pipe : {&in, &out, &err}) {
            const int end = pipe == &in ? pipe->ends[1] : pipe->ends[0];
            ::fcntl(end, F_SETFL, ::fcntl(end, F_GETFL) | O_NONBLOCK);
        }
        if (options.input.empty()) in.close_end(1);
    }

    // Whether the program closed its streams by itself.
    bool run() {
        const Clock::time_point end =
            Clock::now() + std::chrono::duration_cast<Clock::duration>(
                               std::chrono::duration<double>(options_.seconds < 1e8 ? options_.seconds : 1e8));
        while (out_.ends[0] >= 0 || err_.ends[0] >= 0) {
            if (options_.stop && *options_.stop) result_.stopped = true;
            if (Clock::now() >= end) result_.timed_out = true;
            if (result_.out.size() > options_.most_output || result_.err.size() > options_.most_output)
                result_.too_long = true;
            if (result_.stopped || result_.timed_out || result_.too_long) return false;
            std::array<pollfd, 3> ready = {
                pollfd{in_.ends[1], POLLOUT, 0}, {out_.ends[0], POLLIN, 0}, {err_.ends[0], POLLIN, 0}};
            if (::poll(ready.data(), ready.size(), 100) < 0 && errno != EINTR) return false;
            if (ready[0].revents) feed();
            if (ready[1].revents) drain(out_, result_.out);
            if (ready[2].revents) drain(err_, result_.err);
        }
        return true;
    }

  private:
    void feed() {
        const ssize_t count = ::write(in_.ends[1], options_.input.data() + fed_, options_.input.size() - fed_);
        if (count > 0) fed_ += static_cast<std::size_t>(count);
        const bool broken = count < 0 && errno != EAGAIN && errno != EINTR;
        if (fed_ == options_.input.size() || broken) in_.close_end(1);
    }
    static void drain(Pipe& pipe, std::string& text) {
        char block[1 << 14];
        const ssize_t count = ::read(pipe.ends[0], block, sizeof block);
        if (count > 0) text.append(block, static_cast<std::size_t>(count));
        if (count == 0 || (count < 0 && errno != EAGAIN && errno != EINTR)) pipe.close_end(0);
    }

    const ProcessOptions& options_;
    Pipe &in_, &out_, &err_;
    ProcessResult& result_;
    std::size_t fed_ = 0;
};

// One that closed its streams may still be at it.
int wait_for(pid_t child, const ProcessOptions& options, ProcessResult& result) {
    const Clock::time_point start = Clock::now();
    int status = 0;
    for (;;) {
        const pid_t ended = ::waitpid(child, &status, WNOHANG);
        if (ended == child || (ended < 0 && errno != EINTR)) return status;
        const double passed = std::chrono::duration<double>(Clock::now() - start).count();
        if ((options.stop && *options.stop) || passed > options.seconds) {
            (passed > options.seconds ? result.timed_out : result.stopped) = true;
            ::kill(-child, SIGKILL);
        }
        ::usleep(2000);
    }
}

std::vector<char*> pointers(std::vector<std::string>& texts) {
    std::vector<char*> all;
    for (std::string& text : texts)
        all.push_back(text.data());
    all.push_back(nullptr);
    return all;
}

}  // namespace

std::string ProcessResult::what() const {
    std::string text = timed_out  ? "took too long"
                       : stopped  ? "was stopped"
                       : too_long ? "did not stop talking"
                       : signal   ? fmt::format("was ended by signal {} ({})", signal, ::strsignal(signal))
                                  : fmt::format("ended with exit code {}", exit_code);
    std::string_view said = err;
    while (!said.empty() && said.back() == '\n')
        said.remove_suffix(1);
    said.remove_prefix(said.rfind('\n') == std::string_view::npos ? 0 : said.rfind('\n') + 1);
    if (!said.empty())
        text += fmt::format(
            ": {}", internal::is_printable(said) && said.size() < 400 ? std::string(said) : internal::quote(said));
    return text;
}

Result<ProcessResult> run_process(const std::vector<std::string>& arguments, const ProcessOptions& options) {
    const auto failed = [&](int error) {
        return Status(StatusCode::kIoError, fmt::format("{}: {}", arguments.front(), std::strerror(error)));
    };
    Pipe in, out, err, failure;
    if (!in.open || !out.open || !err.open || !failure.open) return failed(errno);

    std::vector<std::string> texts = arguments, variables;
    const char* path = std::getenv("PATH");
    const std::string search =
        options.path_front.empty() ? (path ? path : "") : fmt::format("{}:{}", options.path_front, path ? path : "");
    for (char** variable = environ; *variable; ++variable) {
        if (std::strncmp(*variable, "PATH=", 5) != 0) variables.emplace_back(*variable);
    }
    variables.push_back("PATH=" + search);
    std::string program = arguments.front();
    if (!options.path_front.empty() && program.find('/') == std::string::npos) {
        const std::string own = fmt::format("{}/{}", options.path_front, program);
        if (::access(own.c_str(), X_OK) == 0) program = own;
    }
    const std::vector<char*> argument_pointers = pointers(texts), variable_pointers = pointers(variables);

    const pid_t child = ::fork();
    if (child < 0) return failed(errno);
    if (child == 0)
        become(argument_pointers.data(), variable_pointers.data(), program.c_str(), options.folder.c_str(), in, out,
               err, failure.ends[1]);
    in.close_end(0);
    out.close_end(1);
    err.close_end(1);
    failure.close_end(1);
    int error = 0;
    if (::read(failure.ends[0], &error, sizeof error) == sizeof error) {
        ::waitpid(child, nullptr, 0);
        return failed(error);
    }

    // A program that reads nothing must not end this one.
    struct sigaction ignore = {}, before = {};
    ignore.sa_handler = SIG_IGN;
    ::sigaction(SIGPIPE, &ignore, &before);
    ProcessResult result;
    if (!Exchange(options, in, out, err, result).run()) ::kill(-child, SIGKILL);
    const int status = wait_for(child, options, result);
    ::sigaction(SIGPIPE, &before, nullptr);
    if (WIFEXITED(status)) result.exit_code = WEXITSTATUS(status);
    if (WIFSIGNALED(status)) result.signal = WTERMSIG(status);
    return result;
}

}  // namespace octile::tuner
