/*
 * Register access over fabrics: Property Get and Set as commands of the admin queue. Any fabrics
 * transport points its reg_get and reg_set here. On the admin queue pair's reactor.
 * Base Specification 2.1 sections 6.4 and 6.5.
 */
#ifndef NVHI_FABRIC_PROPERTY_H
#define NVHI_FABRIC_PROPERTY_H

#include "host/transport.h"

void nvhi_property_get(struct nvhi_qpair *admin, struct nvhi_reg_op *op);
void nvhi_property_set(struct nvhi_qpair *admin, struct nvhi_reg_op *op);

#endif
