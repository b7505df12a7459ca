import Address
import Glibc
import Policy

/// How an operator and a client write addresses and names. The C library is the judge of what an address is.
func fuzzPolicyNotation(_ input: [UInt8]) {
    let text = String(decoding: input, as: UTF8.self)
    keepsItsMeaning(IPAddress.self, text)
    keepsItsMeaning(Network.self, text)
    keepsItsMeaning(Endpoint.self, text)
    keepsItsMeaning(PortRange.self, text)
    keepsItsMeaning(Limit.Subject.self, text)
    keepsItsMeaning(HardwareAddress.self, text)
    keepsItsMeaning(IPProtocol.self, text)
    keepsItsMeaning(Opening.Service.self, text)
    keepsItsMeaning(Place.self, text)
    keepsItsMeaning(Schedule.self, text)
    keepsItsMeaning(Device.Pause.self, text)
    if !text.utf8.contains(0) { agreesWithLibrary(text) }
    guard let host = try? Host(text) else { return }
    switch host {
    case .address(let address): hold((try? Host(address.description)) == host, "\(text) is \(host), but not \(address)")
    case .name(let name):
        hold((try? Host(name)) == host, "\(text) is \(host), but \(name) is something else")
        hold(name.utf8.count <= 253 && name == name.lowercased() && name.last != ".", "the name \(name)")
        // What inet_aton(3) takes for an address must never reach a resolver as a name.
        var bits = in_addr()
        hold(inet_aton(name, &bits) == 0, "\(name) is an address to inet_aton")
    }
}

private func keepsItsMeaning<Value: LosslessStringConvertible & Equatable>(_ type: Value.Type, _ text: String) {
    guard let value = Value(text) else { return }
    hold(Value(value.description) == value, "\(text) is printed as \(value.description), which is something else")
}

private func agreesWithLibrary(_ text: String) {
    var four = in_addr()
    var six = in6_addr()
    let judged: [UInt8]? =
        if inet_pton(AF_INET, text, &four) == 1 {
            withUnsafeBytes(of: four) { Array($0) }
        } else if inet_pton(AF_INET6, text, &six) == 1 {
            withUnsafeBytes(of: six) { Array($0) }
        } else {
            nil
        }
    let ours: [UInt8]? =
        switch IPAddress(text) {
        case .v4(let bits): withUnsafeBytes(of: bits.bigEndian) { Array($0) }
        case .v6(let bits): withUnsafeBytes(of: bits.bigEndian) { Array($0) }
        case nil: nil
        }
    hold(ours == judged, "\(text): \(ours ?? []) instead of \(judged ?? [])")
}
