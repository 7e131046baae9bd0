enum ImagesSkeleton {}
