import Policy
import Synchronization

/// Tells where the devices go that are watched. Shared by all reactors.
final class Watch: Sendable {
    /// Where nobody is watched, nothing else is asked.
    private let isOn = Atomic<Bool>(false)
    private let devices = Mutex<Set<UInt16>>([])
    private let tell: @Sendable (DeviceVisit) -> Void

    /// - Parameter tell: called from any thread.
    init(_ tell: @escaping @Sendable (DeviceVisit) -> Void) { self.tell = tell }

    func replace(by standings: [UInt16: DeviceStanding]) {
        let next = Set(standings.values.lazy.filter(\.isWatched).map(\.number))
        devices.withLock { $0 = next }
        isOn.store(!next.isEmpty, ordering: .relaxed)
    }

    func note(_ host: Host, port: UInt16, over transport: Opening.Transport, by device: UInt16, isRefused: Bool) {
        guard isOn.load(ordering: .relaxed), device != 0, devices.withLock({ $0.contains(device) }) else { return }
        let visit = Visit(host: host, transport: transport.number, port: port)
        tell(DeviceVisit(device: device, visit: visit, isRefused: isRefused))
    }
}
