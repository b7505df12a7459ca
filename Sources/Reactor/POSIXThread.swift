import CLinux
import Glibc

/// Threads that are no part of Swift's pool.
package enum POSIXThread {
    /// Starts a detached thread with a name that ps(1) -L shows: its first 15 bytes (prctl(2), PR_SET_NAME).
    package static func start(name: String, _ body: @escaping @Sendable () -> Void) {
        let start = Unmanaged.passRetained(Start(name: name, body: body))
        var thread = pthread_t()
        let result = pthread_create(
            &thread, nil,
            { argument in
                let start = Unmanaged<Start>.fromOpaque(argument!).takeRetainedValue()
                linux_name_thread(start.name)
                start.body()
                return nil
            }, start.toOpaque())
        precondition(result == 0, "no thread could be started: \(Errno(result))")
        pthread_detach(thread)
    }

    /// What a new thread needs to know.
    private final class Start: Sendable {
        let name: String
        let body: @Sendable () -> Void

        init(name: String, body: @escaping @Sendable () -> Void) {
            self.name = String(name.prefix(15))
            self.body = body
        }
    }
}
