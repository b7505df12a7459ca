/// The calls about whose answers are believed.
enum NameCalls {
    static let all: [any Call.Type] = [ListTrustedDomains.self, TrustDomain.self, DistrustDomain.self]
}

package struct ListTrustedDomains: Call {
    package static let documentation = """
        The domains whose answers from outside may lead into the home's own network.
        domains: each stands for all that is below it, too.
        """

    package struct Reply: Codable, Hashable, Sendable {
        package var domains: [String]

        package init(domains: [String]) { self.domains = domains }
    }

    package init() {}
}

package struct TrustDomain: Call {
    package typealias Reply = Applied
    package static let documentation = """
        Lets answers from outside about a domain, and all below it, lead into the home's own network. Other such answers are
        not given, since a web page could otherwise have a browser of the home talk to a device of the home.
        """

    package var domain: String

    package init(domain: String) { self.domain = domain }
}

package struct DistrustDomain: Call {
    package typealias Reply = Applied
    package static let documentation = "Takes back what TrustDomain did."

    package var domain: String

    package init(domain: String) { self.domain = domain }
}
