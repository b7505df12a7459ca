import Glibc

enum Thread {
    private final class Entry: Sendable {
        let body: @Sendable () -> Void
        init(_ body: @escaping @Sendable () -> Void) { self.body = body }
    }

    @discardableResult
    static func start(_ body: @escaping @Sendable () -> Void) -> pthread_t {
        var thread = pthread_t()
        let entry = Unmanaged.passRetained(Entry(body))
        let failure = pthread_create(
            &thread, nil,
            { context in
                Unmanaged<Entry>.fromOpaque(context!).takeRetainedValue().body()
                return nil
            }, entry.toOpaque())
        precondition(failure == 0, "pthread_create: \(String(cString: strerror(failure)))")
        return thread
    }
}

enum DescriptorLimit {
    /// Raises the soft limit to the hard one and returns it.
    @discardableResult
    static func raise() -> UInt64 {
        var limit = rlimit()
        getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        limit.rlim_cur = limit.rlim_max
        setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        return min(UInt64(limit.rlim_cur), 1 << 20)
    }
}
