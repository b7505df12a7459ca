import Policy
import Synchronization

/// What the devices of sessions are called, for whoever tells of a session. Shared by all reactors.
final class DeviceNames: Sendable {
    private let names = Mutex<[UInt16: String]>([:])

    /// nil: nobody knows the device.
    subscript(number: UInt16) -> String? { number == 0 ? nil : names.withLock { $0[number] } }

    func replace(by devices: [UInt16: DeviceStanding]) {
        let next = devices.mapValues(\.name)
        names.withLock { $0 = next }
    }
}
