import TestNetwork

extension Home {
    /// Makes a switch of what was the LAN's one host, and plugs a device in that has these addresses; nil: it has none yet.
    func plugIn(_ last: Int? = nil) throws -> Namespace {
        if try lan.attempt(["ip", "link", "show", "br0"]).status != 0 {
            try lan.run(
                "ip", "-batch", "-",
                input: """
                    address flush dev eth0
                    link add br0 type bridge
                    link set eth0 master br0
                    link set br0 up
                    """)
        }
        let device = try Namespace()
        let port = "port\(device.descriptor)"
        try device.run(
            "ip", "-batch", "-",
            input: """
                link set lo up
                link add eth0 type veth peer name \(port) netns \(lan.path)
                link set eth0 up
                """)
        try lan.run("ip", "link", "set", port, "master", "br0", "up")
        guard let last else { return device }
        try device.run(
            "ip", "-batch", "-",
            input: """
                address add 192.168.77.\(last)/24 dev eth0
                address add fd77::\(last)/64 dev eth0 nodad
                route add default via \(Self.gatewayOnLAN)
                """)
        return device
    }

    /// Waits until the kernel's rules tell the device apart, and calls it so.
    func meet(_ device: Namespace, as name: String, at gateway: String = gatewayOnLAN) throws {
        let link = try device.run("ip", "-br", "link", "show", "eth0").split(separator: " ")
        guard link.count > 2 else { throw Failure("\(link)") }
        let card = String(link[2])
        guard
            try eventually({
                _ = try device.attempt(["ping", "-c", "1", "-W", "1", gateway])
                return try ruleset().contains(card)
            })
        else { throw Failure("\(card) is not known:\n\(try ruleset())") }
        try ctl("device", "name", card, name)
    }

    /// Has the zone's names answered by the gateway, as `setup` leaves everything else.
    func startNames(firewall: String? = "enforce") throws {
        try start(firewall: firewall)
        try ctl("setup", "--lan", "lan0", "--wan", "wan0")
        try ctl("zone", "set", "home", "--no-dhcp", "--dns", "--no-trial")
    }
}
