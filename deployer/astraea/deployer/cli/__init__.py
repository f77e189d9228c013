"""The deployer's verbs: what makes services and images, what runs them, and the nodes they run on."""
