import Address
import Policy

extension ClientSettings {
    /// What else is good to know, for whoever runs the gateway.
    func hints(for device: ClientDevice?) -> [String] {
        let named = device == nil ? offers : [http ?? https, socks].compactMap(\.self)
        var hints: [String] = []
        if named.contains(where: \.needsPassword) {
            hints.append(
                "User and password are those of a user of the gateway; `gatehousectl user add NAME` makes one.")
        }
        if let https, http == nil || device == nil || device == .curl {
            hints.append(
                "The HTTPS proxy, port \(https.endpoint.port), wants the gateway's own authority trusted: "
                    + "`gatehousectl tls export-ca > \(Self.authorityFile)`. With a certificate of yours (`tls use`), leave "
                    + "that out and call the gateway by its name.")
            hints.append("\(Self.authorityCaveat) Show these a certificate of another authority (`tls use`).")
        }
        if device?.hasCamera == true { hints.append(ClientDevice.appsCaveat) }
        if offers.allSatisfy(\.endpoint.address.isLoopback) {
            hints.append("127.0.0.1 is this machine alone: `gatehousectl setup` opens it to the home.")
        }
        return hints
    }
}
