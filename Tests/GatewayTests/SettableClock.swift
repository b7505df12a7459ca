import Foundation
import TestNetwork
import TestProcess

/// The wall clock of one program, which a test sets forth and back: a machine's own is everybody's, and no namespace has one.
/// It goes between the program and the C library (LD_PRELOAD, ld.so(8)); what no one can set, CLOCK_BOOTTIME, stays as it is.
final class SettableClock {
    private let library: String
    private let file: String

    init(in directory: String) throws {
        (library, file) = (directory + "/clock.so", directory + "/clock")
        let source = directory + "/clock.c"
        try Self.source.write(toFile: source, atomically: true, encoding: .utf8)
        set(seconds: 0)
        // Swift comes with a C compiler, beside it.
        let compile = #"$(dirname "$(readlink -f "$(command -v swift)")")/clang -shared -fPIC -nostdlib -o "$0" "$1""#
        let result = try ChildProcess.run(["sh", "-c", compile, library, source])
        guard result.status == 0 else { throw Failure("no clock: \(result.output)") }
    }

    /// How the program is started.
    var environment: [String: String] {
        ["LD_PRELOAD": library, "CLOCK_OFFSET": file, "CLOCK_SYNCHRONISED": file + "-synchronised"]
    }

    /// Whether somebody keeps the program's clock right, as far as the kernel says; it says no at first.
    func setSynchronised(_ isSynchronised: Bool) {
        try? (isSynchronised ? "1" : "0").write(toFile: file + "-synchronised", atomically: true, encoding: .utf8)
    }

    /// From now on the program's clock is so far from the machine's.
    func set(seconds: Int) { try? "\(seconds)".write(toFile: file, atomically: true, encoding: .utf8) }

    private static let source = """
        #define _GNU_SOURCE
        #include <fcntl.h>
        #include <stdlib.h>
        #include <sys/syscall.h>
        #include <sys/time.h>
        #include <sys/timex.h>
        #include <time.h>
        #include <unistd.h>

        // A role in its sandbox can read no file, and has the machine's clock.
        static long number(const char *variable) {
            char text[32] = {0};
            const char *path = getenv(variable);
            int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
            if (fd < 0) return 0;
            long length = read(fd, text, sizeof text - 1);
            close(fd);
            return length > 0 ? atol(text) : 0;
        }

        int clock_gettime(clockid_t clock, struct timespec *now) {
            int result = (int)syscall(SYS_clock_gettime, clock, now);
            if (result == 0 && clock == CLOCK_REALTIME) now->tv_sec += number("CLOCK_OFFSET");
            return result;
        }

        int adjtimex(struct timex *state) {
            return number("CLOCK_SYNCHRONISED") ? TIME_OK : TIME_ERROR;
        }

        time_t time(time_t *seconds) {
            struct timespec now;
            clock_gettime(CLOCK_REALTIME, &now);
            if (seconds) *seconds = now.tv_sec;
            return now.tv_sec;
        }

        int gettimeofday(struct timeval *restrict now, void *restrict zone) {
            struct timespec precise;
            (void)zone;
            clock_gettime(CLOCK_REALTIME, &precise);
            now->tv_sec = precise.tv_sec;
            now->tv_usec = precise.tv_nsec / 1000;
            return 0;
        }
        """
}
