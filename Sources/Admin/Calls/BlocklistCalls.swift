package import Policy

/// The calls about names that are not told and networks with which nobody speaks.
enum BlocklistCalls {
    static let all: [any Call.Type] = [
        BringNames.self, BringNetworks.self, AddBlocklist.self, ListBlocklists.self, RemoveBlocklist.self,
    ]
}

package struct BringNames: Call {
    package static let documentation = """
        Brings names for a blocklist, some thousands at once, before AddBlocklist makes a list of them.
        batch: what the reply to the first part said; null: this is the first part.
        names: in lower case; a dot before one says that it stands for all that is below it, too.
        count: how many names the batch has by now.
        """

    package struct Reply: Codable, Hashable, Sendable {
        package var batch: String
        package var count: Int

        package init(batch: String, count: Int) {
            self.batch = batch
            self.count = count
        }
    }

    package var batch: String?
    package var names: [String]

    package init(batch: String? = nil, names: [String]) {
        self.batch = batch
        self.names = names
    }
}

package struct BringNetworks: Call {
    package typealias Reply = BringNames.Reply
    package static let documentation = """
        The same of networks.
        networks: one in each line.
        """

    package var batch: String?
    package var networks: String

    package init(batch: String? = nil, networks: String) {
        self.batch = batch
        self.networks = networks
    }
}

package struct AddBlocklist: Call {
    package typealias Reply = Applied
    package typealias Direction = Blocklist.Direction
    package static let documentation = """
        Adds a blocklist, or puts it in the place of the one of that name: its names are not told to those for whom it holds,
        and with its networks no conversation begins.
        batch: what the replies to BringNames or BringNetworks said.
        zone: for whose devices it holds; null beside a null device: for everybody.
        device: for which it holds, by name.
        direction: of a list of networks, who may not begin a conversation with whom; null: it is of names.
        """

    package var name: String
    package var batch: String
    package var zone: String?
    package var device: String?
    package var direction: Blocklist.Direction?

    package init(
        name: String, batch: String, zone: String? = nil, device: String? = nil, direction: Blocklist.Direction? = nil
    ) {
        self.name = name
        self.batch = batch
        self.zone = zone
        self.device = device
        self.direction = direction
    }
}

package struct ListBlocklists: Call {
    package static let documentation =
        "The blocklists, and to whom their names were refused since the role for names began."

    package struct Blocklist: Codable, Hashable, Sendable {
        package var name: String
        package var zone: String?
        package var device: String?
        package var direction: AddBlocklist.Direction?
        package var count: Int
        package var refusals: [BlocklistRefusals]

        package init(
            name: String, zone: String?, device: String?, direction: AddBlocklist.Direction?, count: Int,
            refusals: [BlocklistRefusals]
        ) {
            self.name = name
            self.zone = zone
            self.device = device
            self.direction = direction
            self.count = count
            self.refusals = refusals
        }
    }

    package struct Reply: Codable, Hashable, Sendable {
        package var blocklists: [Blocklist]

        package init(blocklists: [Blocklist]) { self.blocklists = blocklists }
    }

    package init() {}
}

/// How often names of a list were refused to a device.
package struct BlocklistRefusals: Codable, Hashable, Sendable {
    /// nil: devices that nobody knows.
    package var device: String?
    package var count: Int

    package init(device: String?, count: Int) {
        self.device = device
        self.count = count
    }
}

package struct RemoveBlocklist: Call {
    package typealias Reply = Applied
    package static let documentation = "Takes a blocklist away, by its name."

    package var name: String

    package init(name: String) { self.name = name }
}
