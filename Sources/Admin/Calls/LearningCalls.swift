package import Policy

/// The calls about where devices go, and what holds them to it.
enum LearningCalls {
    static let all: [any Call.Type] = [
        GetDevice.self, LearnDevice.self, StopLearning.self, HoldDevice.self, ReleaseDevice.self,
    ]
}

package struct GetDevice: Call {
    package static let documentation = """
        A device of the home, and where it goes.
        device: its name, its hardware address, or an address that it has at present.
        learning: where it was seen to go; null: it never learnt.
        rules: those that name it.
        refused: what it was refused since it is held, or since the daemon started; of much only a part.
        """

    package struct Reply: Codable, Hashable, Sendable {
        package var status: DeviceStatus
        package var learning: LearningStatus?
        package var rules: [Rule]
        package var refused: [VisitSighting]

        package init(status: DeviceStatus, learning: LearningStatus?, rules: [Rule], refused: [VisitSighting]) {
            self.status = status
            self.learning = learning
            self.rules = rules
            self.refused = refused
        }
    }

    package var device: String

    package init(device: String) { self.device = device }
}

package struct LearningStatus: InterfaceType, Hashable, Sendable {
    package static let interfaceName = "Learning"
    package static let documentation = """
        Where a device was seen to go while it learnt.
        since, until: seconds since 1970, UTC; until null: it learns no longer.
        missed: how often it went where there was no more room to remember it.
        """

    package var since: Int
    package var until: Int?
    package var missed: Int
    package var sightings: [VisitSighting]

    package init(_ learning: Learning) {
        since = learning.since
        until = learning.until
        missed = learning.missed
        sightings = learning.all
    }
}

package struct LearnDevice: Call {
    package static let documentation = """
        From now on it is noted where a device goes, by whichever way. Nothing else is let through or refused for it. What
        was seen before stays.
        device: as in GetDevice.
        seconds: for which it learns, from 60 to 5184000.
        anew: what was seen before is forgotten.
        until: when it ends by itself, in seconds since 1970, UTC.
        """

    package struct Reply: Codable, Hashable, Sendable {
        package var until: Int
        package var warnings: [String]

        package init(until: Int, warnings: [String]) {
            self.until = until
            self.warnings = warnings
        }
    }

    package var device: String
    package var seconds: Int
    package var anew: Bool?

    package init(device: String, seconds: Int, anew: Bool? = nil) {
        self.device = device
        self.seconds = seconds
        self.anew = anew
    }
}

package struct StopLearning: Call {
    package static let documentation = """
        A device learns no longer. What was seen stays.
        device: as in GetDevice.
        """

    package struct Reply: Codable, Hashable, Sendable {
        package init() {}
    }

    package var device: String

    package init(device: String) { self.device = device }
}

package struct HoldDevice: Call {
    package typealias Reply = Applied
    package static let documentation = """
        Makes rules that allow a device what it was seen to need, and deny it the rest. It learns no longer.
        device: as in GetDevice.
        """

    package var device: String

    package init(device: String) { self.device = device }
}

package struct ReleaseDevice: Call {
    package typealias Reply = Applied
    package static let documentation = """
        Takes the rules of a device's hold away, and no others.
        device: as in GetDevice.
        """

    package var device: String

    package init(device: String) { self.device = device }
}
