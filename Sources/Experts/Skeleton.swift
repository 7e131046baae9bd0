enum ExpertsSkeleton {}
