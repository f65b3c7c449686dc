"""Clusters on Kubernetes: the API, what is created, what pods say, the way to a scheduler from outside."""
