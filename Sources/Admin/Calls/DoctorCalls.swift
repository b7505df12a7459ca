/// The calls about how the gateway is.
enum DoctorCalls {
    static let all: [any Call.Type] = [Examine.self]
}

package struct Examine: Call {
    package static let documentation = """
        Everything that has to be right for the gateway to do its work, as far as can be seen without asking anybody on the
        network.
        nameServers: the addresses of those that the machine asks.
        """

    package struct Reply: Codable, Hashable, Sendable {
        package var findings: [Finding]
        package var nameServers: [String]

        package init(findings: [Finding], nameServers: [String]) {
            self.findings = findings
            self.nameServers = nameServers
        }
    }

    package init() {}
}

package struct Finding: InterfaceType, Hashable, Sendable {
    package enum Grade: String, InterfaceEnumeration, Hashable, Sendable {
        case good, doubtful, bad

        package static let interfaceName = "FindingGrade"
        package static let documentation = """
            doubtful: it works, and somebody should look at it.
            bad: something does not work, or is not as it is to be.
            """
    }

    package static let documentation = """
        Something that was looked at.
        subject: what, in a word or two.
        text: how it is, a phrase.
        remedy: what to do; null: nothing.
        """

    package var subject: String
    package var grade: Grade
    package var text: String
    package var remedy: String?

    package init(_ subject: String, _ grade: Grade, _ text: String, remedy: String? = nil) {
        self.subject = subject
        self.grade = grade
        self.text = text
        self.remedy = remedy
    }
}
