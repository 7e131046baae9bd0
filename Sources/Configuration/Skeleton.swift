enum ConfigurationSkeleton {}
