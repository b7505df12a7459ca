extension Policy {
    /// `former` once more, without what nobody means by going back to it: users who were removed since stay removed, those
    /// who stayed keep the passwords that they have now, and the firewall's mode is today's.
    ///
    /// - Returns: with a sentence for each thing that is not as it was.
    package func goingBack(to former: Policy) -> (policy: Policy, exceptions: [String]) {
        var policy = former
        var exceptions: [String] = []
        policy.users = []
        for user in former.users {
            guard let today = users.first(where: { $0.name == user.name }) else {
                exceptions.append("user \(user.name) was removed since and stays removed")
                continue
            }
            policy.users.append(today)
            if today != user { exceptions.append("user \(user.name) keeps today's password") }
        }
        policy.firewall = firewall
        if former.firewall != firewall { exceptions.append("the firewall stays in mode \(firewall.rawValue)") }
        return (policy, exceptions)
    }
}
