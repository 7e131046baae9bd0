enum JobStoreSkeleton {}
