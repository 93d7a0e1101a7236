variable "environment" {
  description = "Which installation: a part of every name, and a label of everything that is kept"
  type        = string

  validation {
    condition     = contains(["dev", "staging", "prod"], var.environment)
    error_message = "environment is dev, staging or prod."
  }
}

variable "project" {
  description = "The product the services belong to"
  type        = string
  default     = "shop"
}

variable "grafana_cloud_api_key" {
  description = "Grafana Cloud API key; one serves every environment"
  type        = string
  sensitive   = true
}

variable "grafana_cloud" {
  description = "Where Grafana Cloud takes metrics and logs, and the tenant's numbers there"
  type = object({
    prometheus_url  = string
    prometheus_user = string
    loki_url        = string
    loki_user       = string
  })
}

variable "traces_endpoint" {
  description = "host:port of a Jaeger or Tempo that takes OTLP by gRPC"
  type        = string
}

variable "aws_region" {
  description = "Where the collector runs"
  type        = string
}

variable "execution_role_arn" {
  description = "The role ECS uses to read the parameters"
  type        = string
}
