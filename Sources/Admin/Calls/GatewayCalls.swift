package import Address
package import Policy

/// The calls about the gateway as a whole.
enum GatewayCalls {
    static let all: [any Call.Type] = [GetVersion.self, GetStatus.self, GetClientSetup.self, Setup.self]
}

package struct GetVersion: Call {
    package static let permission = Permission.anyone
    package static let documentation = "The daemon's version."

    package struct Reply: Codable, Hashable, Sendable {
        package var version: String

        package init(version: String = gatehouseVersion) { self.version = version }
    }

    package init() {}
}

package struct GetStatus: Call {
    package typealias Reply = Status
    package static let permission = Permission.anyone
    package static let documentation = """
        How the gateway is doing.
        uptime: seconds.
        users: how many there are.
        forwards: doors from the internet to devices.
        bans: how many sources are banned at present.
        worst: what is worst of what no warning tells; null: nothing is wrong.
        warnings: what an operator should look at. Callers who are no operators are told how many there are, and no reason of
        the door.
        """

    package init() {}
}

package struct GetClientSetup: Call {
    package static let permission = Permission.anyone
    package static let documentation = """
        How the home's devices are set up.
        autoConfiguration: the URL of the PAC file; null: no listener serves it.
        page: the URL of the page that says what to enter on which device; null: no listener serves it.
        """

    package struct Reply: Codable, Hashable, Sendable {
        package var offers: [Premises.Offer]
        package var autoConfiguration: String?
        package var page: String?

        package init(offers: [Premises.Offer]) {
            self.offers = offers
            let settings = ClientSettings(offers)
            autoConfiguration = settings.script
            page = settings.page
        }
    }

    package init() {}
}

package struct Setup: Call {
    package typealias Reply = Applied
    package static let documentation = """
        Makes the machine a gateway: both proxies on the address of the home's interface, everything else shut.
        home: the interface behind which the home is.
        internet: the interface that leads to the internet; null: as before, or the one with the default route.
        allowSSH: also opens TCP port 22 to the home.
        sshSources: networks, ADDRESS or ADDRESS/PREFIX, to which it is opened as well, wherever they are.
        force: takes interfaces that look swapped; null: false.
        address: what the gateway gives to the home's interface; null: the one that it has, or one of a free network.
        serve: the home's devices are given addresses and names; null: as it is.
        """

    package var home: String
    package var internet: String?
    package var allowSSH: Bool
    package var sshSources: [Network]?
    package var force: Bool?
    package var address: InterfaceAddress?
    package var serve: Bool?

    package init(
        home: String, internet: String? = nil, allowSSH: Bool = false, sshSources: [Network]? = nil,
        force: Bool? = nil, address: InterfaceAddress? = nil, serve: Bool? = nil
    ) {
        self.home = home
        self.internet = internet
        self.allowSSH = allowSSH
        self.sshSources = sshSources
        self.force = force
        self.address = address
        self.serve = serve
    }
}
