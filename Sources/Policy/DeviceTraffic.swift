/// Bytes that a role has carried for a device since the role began.
package struct DeviceTraffic: Codable, Hashable, Sendable {
    /// The device's.
    package var number: UInt16
    /// From the device.
    package var sent: Int
    package var received: Int

    package init(number: UInt16, sent: Int = 0, received: Int = 0) {
        self.number = number
        self.sent = sent
        self.received = received
    }
}
